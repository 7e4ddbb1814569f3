import type { TemplateId } from '#kernel';
import type { ToolCall, ToolRegistrar } from '#tools';
import {
  AssignModule,
  CreateTemplate,
  DeleteTemplate,
  UnassignModule,
  UpdateTemplate,
} from '../application/commands.js';
import { keepDatastoreEndpoint } from '../application/datastore-endpoint.js';
import type { FleetServices } from '../application/services.js';
import { MODULES } from '../domain/module-catalogue.js';
import { fleetInstances, fleetNodes, fleetTemplates, type TemplateDoc } from '../projections/index.js';
import { documentOf, pageOf } from './answers.js';
import { findTemplate } from './find.js';
import * as tools from './template-definitions.js';
import { templateView } from './views.js';

const helpers = (services: FleetServices) => {
  const { readModels } = services;
  const idOf = async (wanted: string, call: ToolCall) =>
    (await findTemplate(readModels, call.accountId, wanted)).id as TemplateId;
  const view = async (doc: TemplateDoc) => {
    const where = { account: doc.account, template_id: doc.id };
    return templateView(doc, (await readModels.find(fleetNodes, { where })).length);
  };
  const answer = async (id: string) => ({ template: await view(await documentOf(services, fleetTemplates, id)) });
  return { readModels, idOf, view, answer };
};
type Helpers = ReturnType<typeof helpers>;

export const registerTemplateTools = (registrar: ToolRegistrar, services: FleetServices): void => {
  const found = helpers(services);
  registerAssignmentTools(registrar, found, services);
  const { readModels, idOf, view, answer } = found;
  registrar.add(tools.createTemplate, async (input, call) => {
    const { template_id } = await call.run(CreateTemplate, {
      name: input.name,
      description: input.description,
      driver: input.driver ?? null,
    });
    await call.settle(fleetTemplates);
    return answer(template_id);
  });
  registrar.add(tools.getTemplate, async (input, call) => ({
    template: await view(await findTemplate(readModels, call.accountId, input.template_id)),
  }));
  registrar.add(tools.listTemplates, async (input, call) => {
    const { docs, next_cursor } = await pageOf(readModels, fleetTemplates, { account: call.accountId }, input);
    return { templates: await Promise.all(docs.map(view)), next_cursor };
  });
  registrar.add(tools.updateTemplate, async ({ template_id, ...changes }, call) => {
    const id = await idOf(template_id, call);
    await call.run(UpdateTemplate, { template_id: id, ...changes });
    await call.settle(fleetTemplates);
    return answer(id);
  });
  registrar.add(tools.deleteTemplate, async (input, call) => {
    const id = await idOf(input.template_id, call);
    await call.run(DeleteTemplate, { template_id: id });
    await call.settle(fleetTemplates);
    return { deleted: true, template_id: id };
  });
  registrar.add(tools.listModules, async () => ({
    modules: MODULES.map((module) => ({ id: module.name, ...module })),
  }));
};

const registerAssignmentTools = (
  registrar: ToolRegistrar,
  { idOf, answer }: Helpers,
  services: FleetServices,
): void => {
  registrar.add(tools.assignModuleToTemplate, async (input, call) => {
    const id = await idOf(input.template_id, call);
    const { module_name, metadata = {}, config = {}, priority, enabled } = input;
    const before = (await answer(id)).template.module_assignments.find((a) => a.module_name === module_name);
    const { assignment_id } = await call.run(AssignModule, {
      template_id: id,
      module_name,
      config: await keepDatastoreEndpoint(services, id, module_name, { ...metadata, ...config }, before?.config ?? {}),
      ...(priority === undefined ? {} : { priority }),
      ...(enabled === undefined ? {} : { enabled }),
    });
    await call.settle(fleetTemplates, fleetInstances);
    const { template } = await answer(id);
    const assignment = template.module_assignments.find((a) => a.id === assignment_id);
    if (assignment === undefined) throw new Error(`assignment ${assignment_id} is not in ${id}`);
    return { assigned: true, assignment, template };
  });
  registrar.add(tools.unassignModuleFromTemplate, async (input, call) => {
    const id = await idOf(input.template_id, call);
    await call.run(UnassignModule, { template_id: id, module_name: input.module_name });
    await call.settle(fleetTemplates, fleetInstances);
    return { unassigned: true, ...(await answer(id)) };
  });
};
