import type { ReadModels } from '#processing';
import { RefusedError, type InstanceId, type NodeId } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { ToolCall, ToolRegistrar } from '#tools';
import { ProvisionInstance } from '../application/commands.js';
import { offerJoin } from '../application/join-offer.js';
import type { FleetServices } from '../application/services.js';
import { statusOf } from '../domain/instance/state.js';
import { fleetInstances, fleetNodes } from '../projections/index.js';
import { documentOf, pageOf } from './answers.js';
import { findInstance, findNode } from './find.js';
import * as tools from './instance-definitions.js';
import { instanceView, joinView } from './views.js';

/** The secret is made here and leaves in the answer only; commands and events carry its digest. */
const join = async (services: FleetServices, id: InstanceId, call: ToolCall, ttlMs?: number) => {
  const offer = await offerJoin(services, id, call.context, ttlMs);
  if (offer.kind === 'refused') throw new RefusedError(offer.refusal);
  call.wrote(offer.position);
  return offer;
};

export const registerInstanceTools = (
  registrar: ToolRegistrar,
  services: FleetServices,
  link: Pick<AgentLink, 'liveness'>,
): void => {
  const { readModels } = services;
  registerSilence(registrar, readModels, link);

  registrar.add(tools.provisionInstance, async (input, call) => {
    const node = await findNode(readModels, call.accountId, input.node_id);
    const { instance_id, driver } = await call.run(ProvisionInstance, {
      node_id: node.id as NodeId,
      ...(input.driver === undefined ? {} : { driver: input.driver }),
      ...(input.cni_plugin === undefined ? {} : { cni_plugin: input.cni_plugin }),
    });
    const byHand = services.drivers.get(driver)?.makesMachines === false;
    const offer = byHand ? await join(services, instance_id, call) : undefined;
    await call.settle(fleetInstances, fleetNodes);
    const instance = instanceView(await documentOf(services, fleetInstances, instance_id));
    return { provisioned: true, instance, ...(offer === undefined ? {} : { join: joinView(offer.join) }) };
  });
  registrar.add(tools.createJoinToken, async (input, call) => {
    const { id } = await findInstance(readModels, call.accountId, input.id);
    const offer = await join(services, id as InstanceId, call, input.ttl_seconds * 1_000);
    return { join: joinView(offer.join), token_id: offer.tokenId, instance_id: id };
  });
  registrar.add(tools.getInstance, async ({ id }, call) => ({
    instance: instanceView(await findInstance(readModels, call.accountId, id)),
  }));
  registrar.add(tools.listInstances, async (input, call) => {
    const gone = input.include_gone || input.state === 'terminated' || input.state === 'forgotten';
    const node = input.node_id === undefined ? undefined : await findNode(readModels, call.accountId, input.node_id);
    const where = {
      account: call.accountId,
      ...(input.state === undefined ? {} : { state: input.state }),
      ...(node === undefined ? {} : { node_id: node.id }),
      ...(gone ? {} : { final: false }),
    };
    const { docs, next_cursor } = await pageOf(readModels, fleetInstances, where, input);
    return { instances: docs.map(instanceView), next_cursor };
  });
};

const registerSilence = (registrar: ToolRegistrar, readModels: ReadModels, link: Pick<AgentLink, 'liveness'>): void => {
  registrar.add(tools.getSilentInstances, async (input, call) => {
    const docs = await readModels.find(fleetInstances, { where: { account: call.accountId, final: false } });
    const silent = docs.filter(({ id, instance }) => {
      if (instance.phase !== 'running') return false;
      return instance.lost || link.liveness(id).silentMs >= input.threshold_seconds * 1_000;
    });
    return {
      instances: silent.map(({ id, instance, state_since }) => {
        const { silentMs } = link.liveness(id);
        const silent_seconds = Number.isFinite(silentMs) ? Math.round(silentMs / 1_000) : null;
        return {
          id,
          name: instance.name,
          node_id: instance.nodeId,
          state: statusOf(instance),
          silent_seconds,
          state_since,
        };
      }),
    };
  });
};
