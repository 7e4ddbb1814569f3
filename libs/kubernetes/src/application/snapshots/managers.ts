import { categoryOf, deterministicUuid } from '#kernel';
import { defineProcessManager, type ProcessOutput } from '#processing';
import { nextCron, parseCron } from '../../domain/snapshots/cron.js';
import { RESTORE, SNAPSHOT, type SnapshotPolicy } from '../../domain/snapshots/decide.js';
import { KUBERNETES_MANAGER_AGENT } from '../managers.js';
import { FailRestore, FailSnapshot, RequestSnapshot, RunRestore, SaveSnapshot } from './commands.js';
import { PruneSnapshots } from './prune.handler.js';

const FIRST_RETRY_MS = 5_000;
const MAX_WAIT_MS = 5 * 60_000;
const MAX_ATTEMPTS = 6;
const RETRY = 'retry';

interface Job {
  readonly id: string;
  readonly attempt: number;
  readonly lastError: string;
}
type Reaction<S> = { readonly state: S; readonly outputs: readonly ProcessOutput[] };

const attempt = (state: Job, command: string, payload: object, nowMs: number): Reaction<Job> => ({
  state: { ...state, attempt: state.attempt + 1 },
  outputs: [
    { kind: 'timer', name: RETRY, dueMs: nowMs + Math.min(MAX_WAIT_MS, FIRST_RETRY_MS * 2 ** state.attempt) },
    { kind: 'command', type: command, payload: { ...payload } },
  ],
});

/** A job that is tried until it is done or has failed often enough; its own events begin and end it. */
const jobManager = (job: {
  readonly name: string;
  readonly category: string;
  readonly begins: string;
  readonly run: string;
  readonly fail: string;
  readonly field: 'snapshot_id' | 'restore_id';
  readonly afterwards?: (clusterId: string, type: string) => ProcessOutput[];
}) =>
  defineProcessManager<Job>({
    name: job.name,
    agentId: KUBERNETES_MANAGER_AGENT,
    correlate: (event) => (categoryOf(event.stream) === job.category ? event.stream : undefined),
    initial: { id: '', attempt: 0, lastError: '' },
    react: (state, input) => {
      if (input.kind === 'event') {
        const { event } = input;
        if (event.type === job.begins) {
          const begun = { id: event.stream, attempt: 0, lastError: '' };
          return attempt(begun, job.run, { [job.field]: event.stream }, Date.parse(event.recordedAt));
        }
        return { state, outputs: job.afterwards?.(String(event.data['cluster_id']), event.type) ?? [] };
      }
      if (state.attempt === 0) return { state, outputs: [] };
      if (input.kind === 'timer') {
        if (state.attempt < MAX_ATTEMPTS) return attempt(state, job.run, { [job.field]: state.id }, input.dueMs);
        const payload = { [job.field]: state.id, reason: state.lastError || 'there was no answer' };
        return { state: { ...state, attempt: 0 }, outputs: [{ kind: 'command', type: job.fail, payload }] };
      }
      if (input.command !== job.run) return { state, outputs: [] };
      if (input.outcome === 'refused') {
        const lastError = input.message ?? input.code ?? 'refused';
        return { state: { ...state, lastError }, outputs: [{ kind: 'note', text: lastError }] };
      }
      return { state: { ...state, attempt: 0 }, outputs: [{ kind: 'cancel_timer', name: RETRY }] };
    },
  });

export const snapshotJobs = jobManager({
  ...{ name: 'kubernetes_snapshots', category: SNAPSHOT, field: 'snapshot_id' },
  ...{ begins: 'system.k3s.snapshot.requested', run: SaveSnapshot.type, fail: FailSnapshot.type },
  afterwards: (cluster_id, type) =>
    type === 'system.k3s.snapshot.stored'
      ? [{ kind: 'command', type: PruneSnapshots.type, payload: { cluster_id } }]
      : [],
});

export const restoreJobs = jobManager({
  ...{ name: 'kubernetes_restores', category: RESTORE, field: 'restore_id' },
  ...{ begins: 'system.k3s.restore.requested', run: RunRestore.type, fail: FailRestore.type },
});

/** When the next one is due; null when nothing is scheduled. */
export const nextDue = (policy: Pick<SnapshotPolicy, 'cron' | 'intervalMinutes'>, afterMs: number): number | null => {
  if (policy.intervalMinutes !== null) return afterMs + policy.intervalMinutes * 60_000;
  if (policy.cron === null) return null;
  const cron = parseCron(policy.cron);
  return typeof cron === 'string' ? null : (nextCron(cron, afterMs) ?? null);
};

interface Schedule {
  readonly clusterId: string;
  readonly cron: string | null;
  readonly intervalMinutes: number | null;
}
const DUE = 'due';

const arm = (state: Schedule, afterMs: number): ProcessOutput => {
  const dueMs = nextDue(state, afterMs);
  return dueMs === null ? { kind: 'cancel_timer', name: DUE } : { kind: 'timer', name: DUE, dueMs };
};

/**
 * Makes a cluster's snapshots when its policy says so. One that fell into the platform's absence is made once, on return. Its inbox, one
 * for each cluster, is also where the cluster's story finds the restores, whose streams bear ids of their own.
 */
export const snapshotSchedule = defineProcessManager<Schedule>({
  name: 'kubernetes_snapshot_schedule',
  agentId: KUBERNETES_MANAGER_AGENT,
  correlate: (event) =>
    event.type === 'system.k3s.snapshot.policy_set' ||
    event.type === 'system.k3s.cluster.decommissioned' ||
    event.type === 'system.k3s.restore.requested' ||
    (event.type === 'system.k3s.snapshot.requested' && event.data['trigger'] === 'schedule')
      ? String(event.data['cluster_id'])
      : undefined,
  initial: { clusterId: '', cron: null, intervalMinutes: null },
  react: (state, input) => {
    if (input.kind === 'command_result') return { state, outputs: [] };
    if (input.kind === 'timer') {
      const id = `${SNAPSHOT}-${deterministicUuid('scheduled', state.clusterId, input.dueMs)}`;
      const payload = { cluster_id: state.clusterId, snapshot_id: id, name: nameOf(id), trigger: 'schedule' };
      return { state, outputs: [{ kind: 'command', type: RequestSnapshot.type, payload }] };
    }
    const { event } = input;
    if (event.type === 'system.k3s.restore.requested') return { state, outputs: [] };
    const clusterId = String(event.data['cluster_id']);
    if (event.type === 'system.k3s.cluster.decommissioned')
      return {
        state: { ...state, cron: null, intervalMinutes: null },
        outputs: [
          { kind: 'cancel_timer', name: DUE },
          { kind: 'command', type: PruneSnapshots.type, payload: { cluster_id: clusterId } },
        ],
      };
    // From when it was made, not from when it was due: what fell into the platform's absence is not made up for one by one.
    if (event.type === 'system.k3s.snapshot.requested')
      return { state, outputs: [arm(state, Date.parse(event.recordedAt))] };
    const cron = (event.data['cron'] as string | null) ?? null;
    const next = { clusterId, cron, intervalMinutes: (event.data['interval_minutes'] as number | null) ?? null };
    return { state: next, outputs: [arm(next, Date.parse(event.recordedAt))] };
  },
});

/** The name that K3s gets; what it makes is found again by it. */
export const nameOf = (snapshotId: string): string =>
  `drover-${snapshotId.slice(snapshotId.indexOf('-') + 1).slice(0, 8)}`;
