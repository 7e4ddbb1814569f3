import {
  accept,
  assertNever,
  nothing,
  refusal,
  reject,
  type Candidate,
  type Decider,
  type Decision,
  type NodeId,
  type Refusal,
  type TemplateId,
} from '#kernel';
import { NodeCreated, NodeDeleted } from './events.js';
import { evolveNode, noNode, type NodeEvent, type NodeState } from './state.js';

export type NodeCommand =
  | {
      readonly kind: 'create';
      readonly nodeId: NodeId;
      readonly name: string;
      readonly templateId: TemplateId;
      readonly description: string;
    }
  /** `liveInstance` is the incarnation that has not been terminated or forgotten, if there is one. */
  | { readonly kind: 'delete'; readonly liveInstance: Candidate | undefined };

export const nodeGone = (state: NodeState): Refusal =>
  state.kind === 'deleted'
    ? refusal(410, 'node_deleted', `node ${state.name} was deleted`, { field: 'node_id' })
    : refusal(404, 'node_not_found', 'there is no such node', {
        field: 'node_id',
        hint: 'system_list_nodes shows the nodes of this account',
      });

const decide = (command: NodeCommand, state: NodeState): Decision<NodeEvent> => {
  switch (command.kind) {
    case 'create':
      if (state.kind !== 'absent') return nothing('exists');
      return accept(
        NodeCreated(
          {
            node_id: command.nodeId,
            name: command.name,
            template_id: command.templateId,
            description: command.description,
          },
          { links: { node: command.nodeId } },
        ),
      );
    case 'delete': {
      if (state.kind === 'deleted') return nothing('deleted_before');
      if (state.kind === 'absent') return reject(nodeGone(state));
      if (command.liveInstance !== undefined)
        return reject(
          refusal(409, 'node_has_instance', `node ${state.name} still has a live instance`, {
            field: 'node_id',
            hint: 'terminate it first (system_terminate_instance)',
            candidates: [command.liveInstance],
          }),
        );
      const nodeId = state.nodeId as NodeId;
      return accept(NodeDeleted({ node_id: nodeId, name: state.name }, { links: { node: nodeId } }));
    }
    default:
      return assertNever(command);
  }
};

export const nodeDecider: Decider<NodeState, NodeCommand, NodeEvent> = {
  initial: noNode,
  evolve: evolveNode,
  decide,
};
