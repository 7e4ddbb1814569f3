import type { ReadModels } from '#processing';
import { isFinal } from '../domain/instance/state.js';
import { resolveByIdOrName } from '../application/resolve.js';
import { fleetInstances, fleetNodes, fleetTemplates, type InstanceDoc } from '../projections/index.js';

/** The template that an id or a name means; throws RefusedError (404 with the nearest, 409 with the candidates). */
export const findTemplate = (models: ReadModels, account: string, wanted: string, field = 'template_id') =>
  resolveByIdOrName(models, fleetTemplates, wanted, {
    account,
    kind: 'template',
    field,
    listTool: 'system_list_templates',
    describe: ({ id, template }) => ({ id, name: template.name }),
  });

export const findNode = (models: ReadModels, account: string, wanted: string, field = 'node_id') =>
  resolveByIdOrName(models, fleetNodes, wanted, {
    account,
    kind: 'node',
    field,
    listTool: 'system_list_nodes',
    describe: ({ id, name }) => ({ id, name }),
  });

/** Instances bear their node's name; of several incarnations the living one is meant. A node's id means its living instance. */
export const findInstance = (models: ReadModels, account: string, wanted: string, field = 'id'): Promise<InstanceDoc> =>
  resolveByIdOrName(models, fleetInstances, wanted, {
    account,
    kind: 'instance',
    field,
    listTool: 'system_list_instances',
    describe: ({ id, instance }) => ({ id, name: instance.name }),
    alsoCalled: ({ instance }) => [instance.nodeId],
    prefer: ({ instance }) => !isFinal(instance),
  });
