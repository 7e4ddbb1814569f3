import type { NodeId, TemplateId } from '#kernel';
import type { ToolRegistrar } from '#tools';
import { CreateNode, DeleteNode } from '../application/commands.js';
import type { FleetServices } from '../application/services.js';
import { fleetNodes } from '../projections/index.js';
import { documentOf, pageOf } from './answers.js';
import { findNode, findTemplate } from './find.js';
import * as tools from './node-definitions.js';
import { nodeView } from './views.js';

export const registerNodeTools = (registrar: ToolRegistrar, services: FleetServices): void => {
  const { readModels } = services;
  const templateIdOf = async (account: string, wanted: string) =>
    (await findTemplate(readModels, account, wanted, 'node_template_id')).id as TemplateId;

  registrar.add(tools.createNode, async ({ hostname: name, node_template_id, description }, call) => {
    const template_id = await templateIdOf(call.accountId, node_template_id);
    const { node_id } = await call.run(CreateNode, { name, template_id, description });
    await call.settle(fleetNodes);
    return { node: nodeView(await documentOf(services, fleetNodes, node_id)) };
  });
  registrar.add(tools.listNodes, async (input, call) => {
    const where = {
      account: call.accountId,
      ...(input.node_template_id === undefined
        ? {}
        : { template_id: await templateIdOf(call.accountId, input.node_template_id) }),
    };
    const { docs, next_cursor } = await pageOf(readModels, fleetNodes, where, input);
    return { nodes: docs.map(nodeView), next_cursor };
  });
  registrar.add(tools.getNode, async ({ node_id }, call) => ({
    node: nodeView(await findNode(readModels, call.accountId, node_id)),
  }));
  registrar.add(tools.deleteNode, async (input, call) => {
    const { id } = await findNode(readModels, call.accountId, input.node_id);
    await call.run(DeleteNode, { node_id: id as NodeId });
    await call.settle(fleetNodes);
    return { deleted: true, node_id: id };
  });
};
