import { deterministicId, type InstanceId, type NodeId, type TemplateId } from '#kernel';
import { claimName, releaseName } from '#access';
import { instanceDecider } from '../../domain/instance/decide.js';
import { INCARNATION_OVER } from '../../domain/instance/provisioning.js';
import { isFinal } from '../../domain/instance/state.js';
import { nodeDecider, nodeGone } from '../../domain/node/decide.js';
import { templateDecider, templateGone } from '../../domain/template/decide.js';
import { unknownDriver } from '../../provisioning/drivers.js';
import { CreateNode, DeleteNode, ProvisionInstance } from '../commands.js';
import type { FleetServices } from '../services.js';
import { syncInstances } from '../sync-modules.js';
import { done, latest, markOf, use } from '../use.js';

const create = use(CreateNode, async (services, payload, context) => {
  const template = await services.transactor.read(payload.template_id, templateDecider);
  if (template?.state.kind !== 'live')
    return { kind: 'refused', refusal: templateGone(template?.state ?? templateDecider.initial, 'node_template_id') };
  const id = deterministicId('node', context.commandId);
  const claim = { kind: 'node', name: payload.name, id } as const;
  const named = await claimName(services.transactor, claim, context);
  if (named.kind === 'refused') return { kind: 'refused', refusal: { ...named.refusal, field: 'hostname' } };
  const { name, description = '', template_id: templateId } = payload;
  const command = { kind: 'create', nodeId: id, name, templateId, description } as const;
  const made = await services.transactor.transact(id, nodeDecider, command, context);
  return made.kind === 'refused' ? made : done({ node_id: id }, markOf(made));
});

/** The n-th machine of a node; the first is number 0. */
export const incarnation = (nodeId: NodeId, n: number): InstanceId => deterministicId('instance', nodeId, n);

/** The incarnation that is neither terminated nor forgotten, from the streams themselves. */
const liveInstance = async (services: FleetServices, nodeId: NodeId) => {
  for (let n = 0; ; n++) {
    const found = await services.transactor.read(incarnation(nodeId, n), instanceDecider);
    if (found === undefined || found.state.kind === 'absent') return undefined;
    if (!isFinal(found.state)) return { id: found.state.instanceId, name: found.state.name };
  }
};

const remove = use(DeleteNode, async (services, { node_id: id }, context) => {
  const live = await liveInstance(services, id);
  const command = { kind: 'delete', liveInstance: live } as const;
  const deleted = await services.transactor.transact(id, nodeDecider, command, context);
  if (deleted.kind === 'refused') return deleted;
  if (deleted.state.kind === 'deleted') {
    await releaseName(services.transactor, { kind: 'node', name: deleted.state.name, id }, context);
  }
  return done(undefined, markOf(deleted));
});

/** Tries incarnation after incarnation until one is free or alive; the instance's own stream decides every race. */
const provision = use(ProvisionInstance, async (services, payload, context) => {
  const node = await services.transactor.read(payload.node_id, nodeDecider);
  if (node?.state.kind !== 'live') return { kind: 'refused', refusal: nodeGone(node?.state ?? nodeDecider.initial) };
  const { name, templateId } = node.state;
  const template = await services.transactor.read(templateId, templateDecider);
  const driver = payload.driver ?? (template?.state.kind === 'live' ? template.state.driver : null) ?? 'existing';
  if (!services.drivers.has(driver)) return { kind: 'refused', refusal: unknownDriver(driver, services.drivers) };
  for (let n = 0; ; n++) {
    const id = incarnation(payload.node_id, n);
    const command = {
      kind: 'provision',
      instanceId: id,
      nodeId: payload.node_id,
      name,
      templateId: templateId as TemplateId,
      driver,
      cniPlugin: payload.cni_plugin ?? null,
    } as const;
    const made = await services.transactor.transact(id, instanceDecider, command, context);
    if (made.kind === 'refused' && made.refusal.code === INCARNATION_OVER) continue;
    if (made.kind === 'refused') return made;
    const carried = await syncInstances(services, templateId, [id], context);
    return done({ instance_id: id, driver }, latest(markOf(made), carried));
  }
});

export const nodeUses = [create, remove, provision] as const;
