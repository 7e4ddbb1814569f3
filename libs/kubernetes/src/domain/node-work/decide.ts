import { accept, nothing, uuidOf, type Decider, type EventOf } from '#kernel';
import type { nodeWorkEvents } from './events.js';

export type NodeWorkEvent = EventOf<(typeof nodeWorkEvents)[number]>;

/** What was last said, so that the same is not said twice. */
export interface NodeWork {
  readonly last: string;
}

/** What is done to a node through the Kubernetes API, told on a stream of its own beside the cluster's. */
export const nodeWorkStream = (instanceId: string): string => `k3s_node-${uuidOf(instanceId)}`;

const said = ({ type, data }: NodeWorkEvent): string => JSON.stringify([type, data]);

export const nodeWorkDecider: Decider<NodeWork, NodeWorkEvent, NodeWorkEvent> = {
  initial: { last: '' },
  evolve: (_, event) => ({ last: said(event) }),
  decide: (event, state) => (state.last === said(event) ? nothing('told_before') : accept(event)),
};
