import type { EventOf } from '#kernel';
import type { nodeEvents } from './events.js';

export type NodeEvent = EventOf<(typeof nodeEvents)[number]>;

export type NodeState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'live'; readonly nodeId: string; readonly name: string; readonly templateId: string }
  | { readonly kind: 'deleted'; readonly nodeId: string; readonly name: string };

export const noNode: NodeState = { kind: 'absent' };

export const evolveNode = (state: NodeState, event: NodeEvent): NodeState => {
  switch (event.type) {
    case 'system.node.created':
      return {
        kind: 'live',
        nodeId: event.data.node_id,
        name: event.data.name,
        templateId: event.data.template_id,
      };
    case 'system.node.deleted':
      return { kind: 'deleted', nodeId: event.data.node_id, name: event.data.name };
    default:
      return state;
  }
};
