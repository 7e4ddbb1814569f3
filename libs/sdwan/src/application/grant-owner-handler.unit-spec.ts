import { EventCatalogue, isoTime, ManualClock } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { Transactor, type CommandContext } from '#processing';
import { accessEvents, operatorDecider, type OperatorCommand } from '#access';
import { RevokeGrantsOf, type RevokeAccessGrant } from './commands.js';
import { RevokeGrantsOfHandler } from './grant-owner-handler.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY = 86_400_000;
const [operatorId, accountId] = [
  'operator-00000000-0000-4000-8000-000000000001',
  'account-00000000-0000-4000-8000-000000000001',
] as const;

/** An operator with one device that somebody let in under their name, and whether an event of now takes it away. */
const setUp = () => {
  const clock = new ManualClock(NOW);
  const transactor = new Transactor(new MemoryEventStore(clock), new EventCatalogue(accessEvents));
  const actor = { kind: 'system', id: 'test' } as const;
  let made = 0;
  const context = (): CommandContext => {
    const commandId = `command-${made++}`;
    return { ...{ commandId, correlationId: 'c', causationId: 'c', accountId, actor }, nowMs: clock.wallMs() };
  };
  const does = (command: OperatorCommand) => transactor.transact(operatorId, operatorDecider, command, context());
  const logIn = (role: string) => {
    const nowMs = clock.wallMs();
    const token = { token_id: `t${made++}`, token_digest: '0'.repeat(64), permissions: [`role:${role}`] };
    const until = { expires_at: isoTime(nowMs + DAY / 3), at: isoTime(nowMs) };
    const about = { operatorId, accountId, name: 'oidc:m', role, issuer: 'i', address: null, nowMs };
    return does({ type: 'log_in', ...about, token: { ...token, ...until } });
  };
  const revoked: string[] = [];
  const grant = { id: 'grant', created_by: operatorId, status: 'redeemed', created_at: isoTime(NOW) };
  const handler = new RevokeGrantsOfHandler(
    transactor,
    {
      dispatch: async ({ payload }: RevokeAccessGrant) => {
        revoked.push(payload.reason);
        return { kind: 'done', value: undefined };
      },
    } as never,
    { find: async () => [grant] } as never,
    { waitFor: async () => 'seen' } as never,
    clock,
  );
  const hears = async (because: 'disabled' | 'permission_lost', role: string | null = null) => {
    const payload = { operator_id: operatorId, because, role, position: '1', before: isoTime(clock.wallMs()) };
    await handler.execute(new RevokeGrantsOf(payload, context()));
    return revoked.splice(0).length;
  };
  return { clock, does, logIn, hears };
};

it('takes away what who is disabled let in, and nothing for one who was, long ago', async () => {
  const { clock, does, logIn, hears } = setUp();
  await logIn('admin');
  await does({ type: 'disable', reason: 'left' });
  expect(await hears('disabled')).toBe(1);
  await does({ type: 'enable' });
  // No session is open: they come back tomorrow.
  clock.advance(30 * DAY);
  expect(await hears('disabled')).toBe(0);
});

it('takes away what who came with less let in, and nothing once they have come with more again', async () => {
  const { clock, logIn, hears } = setUp();
  await logIn('viewer');
  clock.advance(DAY);
  expect(await hears('permission_lost', 'viewer')).toBe(1);
  await logIn('operator');
  clock.advance(30 * DAY);
  expect(await hears('permission_lost', 'viewer')).toBe(0);
});

it('takes away what who is let in by no rule let in, and nothing once one lets them in again', async () => {
  const { clock, does, logIn, hears } = setUp();
  await logIn('operator');
  await does({ type: 'end_logins', nowMs: clock.wallMs() });
  expect(await hears('permission_lost')).toBe(1);
  await logIn('operator');
  clock.advance(30 * DAY);
  expect(await hears('permission_lost')).toBe(0);
});
