import type { AgentLink } from '#agent-gateway';
import type { ToolRegistrar } from '#tools';
import type { FleetServices } from '../application/services.js';
import { registerInstanceTools } from './instance-tools.js';
import { registerLifecycleTools } from './lifecycle-tools.js';
import { registerModuleTools } from './module-tools.js';
import { registerNodeTools } from './node-tools.js';
import { registerTemplateTools } from './template-tools.js';

export const registerFleetTools = (
  tools: ToolRegistrar,
  services: FleetServices,
  link: Pick<AgentLink, 'liveness'>,
): void => {
  registerTemplateTools(tools, services);
  registerModuleTools(tools, services);
  registerNodeTools(tools, services);
  registerInstanceTools(tools, services, link);
  registerLifecycleTools(tools, services);
};
