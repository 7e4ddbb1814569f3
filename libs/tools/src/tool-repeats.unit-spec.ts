import { data, principal, refused, setup } from './testing/three-tools.js';

describe('an idempotency key', () => {
  const again = { hostname: 'web-1', idempotency_key: 'k1' };

  it('gives the same command ids and the same answer', async () => {
    const { call, sent } = setup();
    const first = data(await call('system_rename_thing', again));
    const second = data(await call('system_rename_thing', { ...again }));
    expect(second).toEqual(first);
    expect(sent[0]!.context.commandId).toBe(sent[1]!.context.commandId);
  });

  it('is refused with other arguments', async () => {
    const { call, sent } = setup();
    await call('system_rename_thing', again);
    const answer = await call('system_rename_thing', { ...again, hostname: 'web-2' });
    expect(refused(answer)).toMatchObject({ status: 409, code: 'idempotency_key_reused' });
    expect(sent).toHaveLength(1);
  });

  it('belongs to one account', async () => {
    const { call, sent } = setup();
    await call('system_rename_thing', again);
    await call('system_rename_thing', { ...again, hostname: 'other' }, principal(['*'], 'b'));
    expect(sent[0]!.context.commandId).not.toBe(sent[1]!.context.commandId);
  });

  it('is a different call without a key each time', async () => {
    const { call, sent } = setup();
    await call('system_rename_thing', { hostname: 'x' });
    await call('system_rename_thing', { hostname: 'x' });
    expect(sent[0]!.context.commandId).not.toBe(sent[1]!.context.commandId);
  });
});

describe('a plan', () => {
  const guarded = { ...principal(), guarded: true };

  it('is good for one call of a guarded token, and for repeats of that one', async () => {
    const { call, sent } = setup();
    const restart = (more: object) => call('system_restart_thing', { id: 'a', ...more }, guarded);
    const { plan_id } = data(await restart({ dry_run: true }))['dry_run'] as { plan_id: string };
    expect(data(await restart({ plan_id, idempotency_key: 'k' }))['outcome']).toBe('done');
    expect(data(await restart({ plan_id, idempotency_key: 'k' }))['outcome']).toBe('done');
    expect(new Set(sent.map(({ context }) => context.commandId)).size).toBe(1);
    expect(refused(await restart({ plan_id })).code).toBe('plan_used');
    expect(refused(await restart({ plan_id, idempotency_key: 'other' })).code).toBe('plan_used');
    expect(sent).toHaveLength(2);
  });
});
