import { EventCatalogue, ManualClock } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { Transactor, type CommandContext } from '#processing';
import { operatorDecider } from '../domain/operator/operator.js';
import { accessEvents } from '../domain/events.js';
import { claimName } from './names.js';

const context = (commandId: string, nowMs: number): CommandContext => ({
  commandId,
  correlationId: 'c',
  causationId: 'c',
  accountId: 'account-1',
  actor: { kind: 'operator', id: 'o' },
  nowMs,
});
const HOLDER = 'operator-00000000-0000-4000-8000-00000000000a';

describe('a name whose creation was cut off', () => {
  const setUp = () => new Transactor(new MemoryEventStore(new ManualClock()), new EventCatalogue(accessEvents));
  const claim = (transactor: Transactor, id: string, nowMs: number) =>
    claimName(transactor, { kind: 'node', name: 'server-1', id }, context(`${id}-${nowMs}`, nowMs));

  it('is free again after a minute, and not before', async () => {
    const transactor = setUp();
    await claim(transactor, HOLDER, 0);
    expect((await claim(transactor, 'node-b', 59_000)).kind).toBe('refused');
    expect((await claim(transactor, 'node-b', 60_000)).kind).toBe('accepted');
    expect((await claim(transactor, 'node-c', 61_000)).kind).toBe('refused');
  });

  it('stays with an entity that came to be', async () => {
    const transactor = setUp();
    await claim(transactor, HOLDER, 0);
    const token = { token_id: 't', token_digest: 'd', permissions: [], expires_at: null };
    const create = {
      type: 'create_operator',
      operatorId: HOLDER,
      accountId: 'account-00000000-0000-4000-8000-000000000001',
      name: 'n',
      token,
    } as const;
    await transactor.transact(HOLDER, operatorDecider, create, context('create', 1));
    expect((await claim(transactor, 'node-b', 600_000)).kind).toBe('refused');
  });
});
