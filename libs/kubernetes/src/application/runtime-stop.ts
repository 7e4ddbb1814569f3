import { RefusedError, type InstanceId } from '#kernel';
import type { AgentIdentity } from '#agent-gateway';
import { RecordRuntimeStop } from '#fleet';
import type { CommandContext, CommandDispatcher } from '#processing';
import { agentV1 } from '#proto';
import type { Clusters } from './clusters.js';
import { derive } from './derive.js';
import type { KubernetesDirectory } from './directory.js';
import type { PhaseAnswer } from './phase-answer.js';

interface Deps {
  readonly directory: Pick<KubernetesDirectory, 'clusterOfMember'>;
  readonly clusters: Clusters;
  readonly dispatcher: CommandDispatcher;
}

/** K3s was to go from a node, and is gone or cannot be stopped. Heard whether anything still assigns it or not. */
export const runtimeStop = async (
  { directory, clusters, dispatcher }: Deps,
  agent: AgentIdentity,
  module_name: string,
  request: agentV1.ReportPhaseRequest,
  context: CommandContext,
): Promise<PhaseAnswer> => {
  const instance_id = agent.instanceId as InstanceId;
  const stuck = request.phase === agentV1.Phase.PHASE_FAILED ? request.error.slice(0, 500) : null;
  // Of a second stop the words may be those of the first; whether it was told is for the instance's stream to decide.
  const step = (name: string) => derive(context, name, String(context.nowMs));
  const command = new RecordRuntimeStop({ instance_id, module_name, stuck }, step('runtime_stop'));
  const told = await dispatcher.dispatch(command);
  if (told.kind === 'refused') throw new RefusedError(told.refusal);
  if (stuck !== null) return { ack: {} };
  const member = directory.clusterOfMember(instance_id);
  if (member !== undefined)
    await clusters.apply(member.id, { type: 'stopped', instanceId: instance_id }, step('stopped'));
  return { ack: { nodeId: instance_id } };
};
