import type { ToolRegistrar } from '#tools';
import { registerDeviceTools } from './device-tools.js';
import { registerFirewallTools } from './firewall-tools.js';
import { registerGrantTools } from './grant-tools.js';
import { registerInsightTools } from './insight-tools.js';
import { registerKeyTools } from './key-tools.js';
import { registerNetworkTools, registerPeerTools } from './network-tools.js';
import type { SdwanToolServices } from './services.js';
import { registerVipMoveTools, registerVipTools } from './vip-tools.js';

export const registerSdwanTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  registerNetworkTools(registrar, services);
  registerPeerTools(registrar, services);
  registerKeyTools(registrar, services);
  registerVipTools(registrar, services);
  registerVipMoveTools(registrar, services);
  registerGrantTools(registrar, services);
  registerDeviceTools(registrar, services);
  registerFirewallTools(registrar, services);
  registerInsightTools(registrar, services);
};
