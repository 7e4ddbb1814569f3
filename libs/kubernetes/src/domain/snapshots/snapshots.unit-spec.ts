import { nextCron, parseCron, type Cron } from './cron.js';
import { policyDecider, restoreDecider, snapshotDecider, type SnapshotEvent } from './decide.js';
import * as events from './events.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001' as const;
const INSTANCE = 'instance-00000000-0000-4000-8000-000000000001' as const;
const ids = { snapshot_id: 'etcd_snapshot-1', cluster_id: CLUSTER };

const play = (...happened: SnapshotEvent[]) => {
  let state = snapshotDecider.initial;
  const accepted: boolean[] = [];
  for (const event of happened) {
    const decision = snapshotDecider.decide(event, state);
    accepted.push(decision.kind === 'accept');
    if (decision.kind === 'accept') state = decision.events.reduce(snapshotDecider.evolve, state);
  }
  return { state, accepted };
};
const requested = events.SnapshotRequested({ ...ids, name: 'n', trigger: 'operator' });
const saved = events.SnapshotSaved({ ...ids, instance_id: INSTANCE, file_name: 'f' });
const stored = events.SnapshotStored({ ...ids, size_bytes: 5, sha256: 'x', store_ref: 'r' });
const failed = events.SnapshotFailed({ ...ids, reason: 'no' });
const deleted = events.SnapshotDeleted({ ...ids, reason: 'retention' });

describe('a snapshot', () => {
  it('is requested, saved on a server, stored by the platform, and deleted in the end', () => {
    const { state, accepted } = play(requested, saved, stored, deleted);
    expect(accepted).toEqual([true, true, true, true]);
    expect(state).toMatchObject({ status: 'deleted', instanceId: INSTANCE, fileName: 'f', sizeBytes: 5 });
  });

  it('takes every step once, whatever is repeated or comes too late', () => {
    expect(play(requested, requested, saved, saved, stored, failed).accepted).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
    expect(play(requested, failed, saved, stored).accepted).toEqual([true, true, false, false]);
    expect(play(stored).state.status).toBe('absent');
  });
});

describe('a restore', () => {
  it('records each step once and ends once', () => {
    const restore = { restore_id: 'etcd_restore-1', cluster_id: CLUSTER };
    const begin = events.RestoreRequested({ ...restore, snapshot_id: 's', instance_id: INSTANCE, other_servers: [] });
    const step = events.RestoreProgress({ ...restore, step: 'snapshot_copied', detail: '' });
    const end = events.RestoreCompleted({ ...restore, warnings: [] });
    let state = restoreDecider.initial;
    const kinds = [begin, begin, step, step, end, end].map((event) => {
      const decision = restoreDecider.decide(event, state);
      if (decision.kind === 'accept') state = decision.events.reduce(restoreDecider.evolve, state);
      return decision.kind;
    });
    expect(kinds).toEqual(['accept', 'nothing', 'accept', 'nothing', 'accept', 'nothing']);
  });
});

describe('a snapshot policy', () => {
  it('is no event when nothing is another', () => {
    const set = events.SnapshotPolicySet({
      cluster_id: CLUSTER,
      cron: '@daily',
      interval_minutes: null,
      retention: 7,
    }) as Parameters<typeof policyDecider.decide>[0];
    const state = policyDecider.evolve(policyDecider.initial, set);
    expect(state).toEqual({ cron: '@daily', intervalMinutes: null, retention: 7 });
    expect(policyDecider.decide(set, state).kind).toBe('nothing');
  });
});

describe('a cron schedule', () => {
  const next = (text: string, after: string) => {
    const at = nextCron(parseCron(text) as Cron, Date.parse(after));
    return at === undefined ? undefined : new Date(at).toISOString();
  };

  it('finds the next minute that fits, in UTC', () => {
    expect(next('*/15 * * * *', '2026-01-01T00:07:30Z')).toBe('2026-01-01T00:15:00.000Z');
    expect(next('0 3 * * *', '2026-01-01T03:00:00Z')).toBe('2026-01-02T03:00:00.000Z');
    expect(next('30 2 29 2 *', '2026-01-01T00:00:00Z')).toBe('2028-02-29T02:30:00.000Z');
    expect(next('0 0 * * 1-5', '2026-01-03T12:00:00Z')).toBe('2026-01-05T00:00:00.000Z');
    expect(next('0 0 13 * 5', '2026-01-10T00:00:00Z')).toBe('2026-01-13T00:00:00.000Z');
    expect(next('0 0 31 2 *', '2026-01-01T00:00:00Z')).toBeUndefined();
    expect(next('@weekly', '2026-01-01T00:00:00Z')).toBe('2026-01-04T00:00:00.000Z');
  });

  it('says what is wrong with one that is none', () => {
    expect(parseCron('daily')).toMatch(/five fields/);
    expect(parseCron('60 * * * *')).toMatch(/minute: 60 is not within 0 and 59/);
    expect(parseCron('* * * * mon')).toMatch(/day of the week/);
    expect(parseCron('*/0 * * * *')).toMatch(/minute/);
  });
});
