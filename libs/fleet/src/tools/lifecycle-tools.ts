import { RefusedError, type InstanceId, type TemplateId } from '#kernel';
import type { ToolCall, ToolRegistrar } from '#tools';
import {
  ChangeTemplate,
  ForgetInstance,
  RequestDrain,
  RequestTermination,
  TerminateInstance,
  Uncordon,
} from '../application/commands.js';
import type { FleetServices } from '../application/services.js';
import { statusOf } from '../domain/instance/state.js';
import { fleetInstances, fleetNodes } from '../projections/index.js';
import { documentOf } from './answers.js';
import { findInstance, findTemplate } from './find.js';
import * as tools from './instance-definitions.js';
import { instanceView } from './views.js';

export const registerLifecycleTools = (registrar: ToolRegistrar, services: FleetServices): void => {
  const { readModels } = services;
  const idOf = async (wanted: string, call: ToolCall) =>
    (await findInstance(readModels, call.accountId, wanted)).id as InstanceId;
  const answer = async (id: string, call: ToolCall) => {
    await call.settle(fleetInstances, fleetNodes);
    return { instance: instanceView(await documentOf(services, fleetInstances, id)) };
  };

  registrar.add(tools.updateInstance, async (input, call) => {
    const id = await idOf(input.id, call);
    const template = await findTemplate(readModels, call.accountId, input.node_template_id, 'node_template_id');
    await call.run(ChangeTemplate, { instance_id: id, template_id: template.id as TemplateId });
    return answer(id, call);
  });
  registrar.add(tools.drainInstance, async (input, call) => {
    const id = await idOf(input.id, call);
    // Asked first: once the drain has begun, the answer may already be another.
    const warnings = await services.drainAdvice.ask(id);
    await call.run(RequestDrain, { instance_id: id, timeout_seconds: input.timeout_seconds });
    warnings.forEach((warning) => call.warn(warning));
    return answer(id, call);
  });
  registrar.add(tools.uncordonInstance, async (input, call) => {
    const id = await idOf(input.id, call);
    await call.run(Uncordon, { instance_id: id });
    return answer(id, call);
  });
  registrar.add(tools.terminateInstance, async (input, call) => {
    const { instance } = await findInstance(readModels, call.accountId, input.id);
    const id = instance.instanceId as InstanceId;
    const objection = input.force ? undefined : services.drainAdvice.objection(id);
    if (objection !== undefined) throw new RefusedError(objection);
    const status = statusOf(instance);
    const first = !input.force && services.drainAdvice.isOccupied(id) && ['running', 'draining'].includes(status);
    if (first) {
      const warnings = await services.drainAdvice.ask(id);
      await call.run(RequestTermination, { instance_id: id, timeout_seconds: input.timeout_seconds });
      warnings.forEach((warning) => call.warn(warning));
    } else await call.run(TerminateInstance, { instance_id: id });
    return { terminated: !first, ...(await answer(id, call)) };
  });
  registrar.add(tools.forgetInstance, async (input, call) => {
    const id = await idOf(input.id, call);
    const objection = input.force ? undefined : services.drainAdvice.objection(id, 'forget');
    if (objection !== undefined) throw new RefusedError(objection);
    await call.run(ForgetInstance, { instance_id: id });
    return { forgotten: true, ...(await answer(id, call)) };
  });
};
