import type { RecordedEvent } from '#event-store';
import { defineProcessManager, type ProcessInput, type ProcessOutput } from '#processing';
import { targetOf } from './targets.js';

export const KUBERNETES_MANAGER_AGENT = 'kubernetes_manager_agent';

interface InstanceState {
  readonly hasPeer: boolean;
  readonly online: boolean;
  /** k3s-server assignments without a target cluster: each makes or joins the assignment's own cluster. */
  readonly assignments: readonly string[];
  /** The cluster that it is a server of. */
  readonly serves?: string | null;
}

const text = (event: RecordedEvent, field: string): string | undefined => {
  const value = event.data[field];
  return typeof value === 'string' ? value : undefined;
};

const syncCandidates = (cluster_id: string): ProcessOutput => ({
  kind: 'command',
  type: 'kubernetes.sync_vip_candidates',
  payload: { cluster_id },
});

const INSTANCE_EVENTS = new Set([
  'system.k3s.module.assigned',
  'system.k3s.handshake.ready',
  'system.k3s.node.removed',
  'system.module.removed',
  'system.sdwan.peer.attached',
  'system.instance.online',
  'system.instance.drain_requested',
  'system.instance.uncordoned',
  'system.instance.terminated',
  'system.instance.forgotten',
]);

const reactToInstance = (
  state: InstanceState,
  event: RecordedEvent,
): { state: InstanceState; outputs: ProcessOutput[] } => {
  const instanceId = text(event, 'instance_id')!;
  const claims = (next: InstanceState, assignments = next.assignments): ProcessOutput[] =>
    next.hasPeer && next.online
      ? assignments.map((assignmentId) => ({
          kind: 'command',
          type: 'kubernetes.claim_cluster',
          payload: { instance_id: instanceId, assignment_id: assignmentId },
        }))
      : [{ kind: 'note', text: next.hasPeer ? 'waiting for the agent to come online' : 'waiting for an SDWAN peer' }];
  switch (event.type) {
    case 'system.k3s.module.assigned': {
      const assignmentId = text(event, 'assignment_id')!;
      const config = event.data['config'] as Record<string, unknown>;
      if (event.data['module_name'] !== 'k3s-server' || targetOf({ config }) !== null) return { state, outputs: [] };
      const next = { ...state, assignments: [...new Set([...state.assignments, assignmentId])] };
      return { state: next, outputs: claims(next, [assignmentId]) };
    }
    case 'system.module.removed': {
      const gone = text(event, 'assignment_id');
      return { state: { ...state, assignments: state.assignments.filter((a) => a !== gone) }, outputs: [] };
    }
    case 'system.sdwan.peer.attached': {
      const next = { ...state, hasPeer: true };
      // Attached anew it is another peer, and only that one may hold the cluster's VIP.
      if (typeof state.serves === 'string') return { state: next, outputs: [syncCandidates(state.serves)] };
      return { state: next, outputs: state.hasPeer ? [] : claims(next) };
    }
    case 'system.k3s.handshake.ready': {
      const serves = event.data['role'] === 'server' ? (text(event, 'cluster_id') ?? null) : null;
      return { state: { ...state, serves }, outputs: [] };
    }
    case 'system.k3s.node.removed':
      return { state: { ...state, serves: null }, outputs: [] };
    case 'system.instance.online': {
      const next = { ...state, online: true };
      return { state: next, outputs: state.online ? [] : claims(next) };
    }
    default:
      return { state, outputs: lifecycle(event, instanceId) };
  }
};

const lifecycle = (event: RecordedEvent, instanceId: string): ProcessOutput[] => {
  const command = (type: string, payload: Record<string, unknown>): ProcessOutput[] => [
    { kind: 'command', type, payload },
  ];
  switch (event.type) {
    case 'system.instance.drain_requested':
      return command('kubernetes.drain_node', {
        instance_id: instanceId,
        timeout_seconds: event.data['timeout_seconds'],
        requested_at_ms: Date.parse(event.meta.occurredAt),
      });
    case 'system.instance.uncordoned':
      return command('kubernetes.uncordon_node', { instance_id: instanceId });
    case 'system.instance.terminated':
    case 'system.instance.forgotten':
      return command('kubernetes.remove_node', {
        instance_id: instanceId,
        reason: event.type.replace('system.instance.', ''),
      });
    default:
      return [];
  }
};

/** What has to happen to an instance as a cluster member, one process per instance. */
export const instanceManager = defineProcessManager<InstanceState>({
  name: 'kubernetes_instances',
  agentId: KUBERNETES_MANAGER_AGENT,
  correlate: (event) => (INSTANCE_EVENTS.has(event.type) ? text(event, 'instance_id') : undefined),
  initial: { hasPeer: false, online: false, assignments: [] },
  react: (state, input: ProcessInput) =>
    input.kind === 'event' ? reactToInstance(state, input.event) : { state, outputs: [] },
});

const MEMBERSHIP_EVENTS = new Set([
  'system.k3s.handshake.ready',
  'system.k3s.handshake.stopped',
  'system.k3s.node.removed',
  'system.k3s.node.ready',
]);

/** Keeps a cluster's VIP candidates equal to its servers, one process per cluster. */
export const candidatesManager = defineProcessManager<null>({
  name: 'kubernetes_candidates',
  agentId: KUBERNETES_MANAGER_AGENT,
  correlate: (event) => (MEMBERSHIP_EVENTS.has(event.type) ? text(event, 'cluster_id') : undefined),
  initial: null,
  react: (state, input) => {
    if (input.kind !== 'event') return { state, outputs: [] };
    return { state, outputs: [syncCandidates(text(input.event, 'cluster_id')!)] };
  },
});
