import type { AgentLiveness } from '#agent-gateway';
import type { SdwanModel } from '../application/sdwan-model.js';

export interface Generations {
  readonly generation: number | null;
  readonly observedGeneration: number | null;
}
const NONE: Generations = { generation: null, observedGeneration: null };

type Heard = Pick<AgentLiveness, 'applied' | 'sent' | 'changing'>;
type Model = Pick<SdwanModel, 'generations' | 'position' | 'networks'>;

/**
 * The network's changes, counted, and how many of them the node has. A change that alters nothing of what this node is told is not
 * sent to it, so what counts is whether it has all that it was sent, and whether more is about to be.
 */
export const peerGenerations = (model: Model, networkId: string, heard: Heard | undefined): Generations => {
  if (heard === undefined || !model.networks.has(networkId)) return NONE;
  const section = `network/${networkId}`;
  const generation = model.generations.at(networkId, model.position);
  const sent = heard.sent?.get(section);
  if (sent === undefined) return { generation, observedGeneration: null };
  const applied = heard.applied.get(section) ?? 0n;
  const hasAll = applied >= sent && heard.changing !== true;
  const known = hasAll ? generation : Math.min(model.generations.at(networkId, applied), generation - 1);
  return { generation, observedGeneration: known > 0 ? known : null };
};

/** As far as all nodes are that can be asked: one that is off will be told when it comes. */
export const networkGenerations = (
  model: Model,
  networkId: string,
  liveness: (instanceId: string) => Heard,
): Generations => {
  const network = model.networks.get(networkId);
  if (network === undefined) return NONE;
  const instances = [...network.peers.values()].flatMap(({ instanceId }) => instanceId ?? []);
  const observed = instances
    .map((id) => peerGenerations(model, networkId, liveness(id)).observedGeneration)
    .filter((one) => one !== null);
  const generation = model.generations.at(networkId, model.position);
  return { generation, observedGeneration: observed.length === 0 ? null : Math.min(...observed) };
};
