import { defineProcessManager, type ProcessOutput } from '#processing';
import { JudgeCluster } from './commands.js';
import { KUBERNETES_MANAGER_AGENT } from './managers.js';

/** A server that restarts is away for a moment; a cluster is not degraded by that. */
export const SETTLE_MS = 5_000;
const TIMER = 'judge';

const TURNS: ReadonlySet<string> = new Set([
  'system.k3s.handshake.ready',
  'system.k3s.handshake.stopped',
  'system.k3s.handshake.join_request',
  'system.k3s.node.not_ready',
  'system.k3s.node.ready',
  'system.k3s.node.uncordoned',
  'system.k3s.node.removed',
  'system.k3s.node.orphaned',
]);

/** Looks at a cluster a moment after one of its nodes changed; one process per cluster. */
export const clusterHealthManager = defineProcessManager<null>({
  name: 'kubernetes_cluster_health',
  agentId: KUBERNETES_MANAGER_AGENT,
  correlate: (event) => (TURNS.has(event.type) ? event.stream : undefined),
  initial: null,
  react: (state, input) => {
    if (input.kind === 'timer') {
      const payload = { cluster_id: input.data['cluster_id'] };
      return { state, outputs: [{ kind: 'command', type: JudgeCluster.type, payload }] };
    }
    if (input.kind === 'command_result') return { state, outputs: [] };
    const dueMs = Date.parse(input.event.recordedAt) + SETTLE_MS;
    const timer: ProcessOutput = { kind: 'timer', name: TIMER, dueMs, data: { cluster_id: input.event.stream } };
    return { state, outputs: [timer] };
  },
});
