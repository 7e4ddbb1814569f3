import {
  accept,
  nothing,
  refusal,
  reject,
  type Decision,
  type InstanceId,
  type NodeId,
  type TemplateId,
} from '#kernel';
import {
  InstanceCreated,
  InstanceForgotten,
  InstanceProvisionFailed,
  InstanceProvisionRequested,
  InstanceTemplateChanged,
  InstanceTerminated,
} from './events.js';
import { instanceGone, instanceNotFound } from './refusals.js';
import { isFinal, linksOf, type InstanceEvent, type InstanceState, type KnownInstance } from './state.js';

export interface Provision {
  readonly kind: 'provision';
  readonly instanceId: InstanceId;
  readonly nodeId: NodeId;
  readonly name: string;
  readonly templateId: TemplateId;
  readonly driver: string;
  readonly cniPlugin: 'flannel' | 'ovn_kubernetes' | null;
}
export interface ProvisionFailed {
  readonly kind: 'provision_failed';
  readonly reason: string;
}
export interface ChangeTemplate {
  readonly kind: 'change_template';
  readonly templateId: TemplateId;
}
export interface Terminate {
  readonly kind: 'terminate' | 'forget';
}

/** The incarnation's number is part of its id, so this stream decides between two callers that provision one node. */
export const INCARNATION_OVER = 'incarnation_over';

export const provision = (state: InstanceState, c: Provision): Decision<InstanceEvent> => {
  const links = { instance: c.instanceId, node: c.nodeId };
  if (state.kind === 'absent')
    return accept<InstanceEvent>(
      InstanceCreated(
        {
          instance_id: c.instanceId,
          node_id: c.nodeId,
          name: c.name,
          template_id: c.templateId,
          driver: c.driver,
          cni_plugin: c.cniPlugin,
        },
        { links },
      ),
      InstanceProvisionRequested({ instance_id: c.instanceId, driver: c.driver }, { links }),
    );
  if (isFinal(state)) return reject(refusal(409, INCARNATION_OVER, `${state.instanceId} is over`));
  return reject(
    refusal(409, 'instance_exists', `node ${state.name} already has an instance`, {
      field: 'node_id',
      hint: 'system_create_join_token lets its machine join (again); system_terminate_instance makes room for a new one',
      candidates: [{ id: state.instanceId, name: state.name }],
    }),
  );
};

export const provisionFailed = (state: InstanceState, c: ProvisionFailed): Decision<InstanceEvent> => {
  if (state.kind === 'absent') return reject(instanceNotFound());
  if (state.phase !== 'provisioning') return nothing('not_provisioning');
  return accept(
    InstanceProvisionFailed(
      { instance_id: state.instanceId as InstanceId, driver: state.driver, reason: c.reason },
      { links: linksOf(state) },
    ),
  );
};

export const changeTemplate = (state: KnownInstance, c: ChangeTemplate): Decision<InstanceEvent> =>
  state.templateId === c.templateId
    ? nothing('no_change')
    : accept(
        InstanceTemplateChanged(
          { instance_id: state.instanceId as InstanceId, template_id: c.templateId },
          { links: linksOf(state) },
        ),
      );

export const terminate = (state: InstanceState, c: Terminate): Decision<InstanceEvent> => {
  if (state.kind === 'absent') return reject(instanceNotFound());
  const ids = { instance_id: state.instanceId as InstanceId, node_id: state.nodeId as NodeId };
  const links = linksOf(state);
  if (c.kind === 'forget')
    return state.phase === 'forgotten' ? nothing('forgotten_before') : accept(InstanceForgotten(ids, { links }));
  if (state.phase === 'terminated') return nothing('terminated_before');
  const gone = instanceGone(state);
  return gone === undefined ? accept(InstanceTerminated(ids, { links })) : reject(gone);
};
