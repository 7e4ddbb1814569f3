import { networkInterfaces } from 'node:os';
import type { RunOptions } from '../cli.js';
import type { LinkOps } from '../network/link-ops.js';
import type { AgentPorts } from '../ports.js';
import type { WireGuardDriver } from './driver.js';
import { MemoryWireGuardDriver } from './memory-driver.js';
import { Reachability } from './reachability.js';
import { RouteDriver } from './route-driver.js';
import { ToolDriver } from './tool-driver.js';
import { UapiDriver } from './uapi-driver.js';
import { WireGuardGo } from './wireguard-go.js';

/** Whether this kernel knows WireGuard, found out by making an interface and deleting it again. */
const kernelHasWireGuard = async (ports: AgentPorts): Promise<boolean> => {
  const probe = `wgp${Buffer.from(ports.random.bytes(5)).toString('hex')}`;
  const made = await ports.processes.run('ip', ['link', 'add', 'dev', probe, 'type', 'wireguard']);
  if (made.code !== 0) return false;
  await ports.processes.run('ip', ['link', 'del', 'dev', probe]);
  return (await ports.processes.run('wg', ['--version'])).code === 0;
};

/** The underlay's device: the one with a global address that is not an overlay's. */
const underlayDevice = (): string => {
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    if (!name.startsWith('wg-') && (addresses ?? []).some((a) => !a.internal)) return name;
  throw new Error('no underlay device with an address found');
};

export const chooseDriver = async (
  ports: AgentPorts,
  links: LinkOps,
  wanted: RunOptions['wireguard'],
  stateDir: string,
): Promise<WireGuardDriver> => {
  const kind = wanted === 'auto' ? ((await kernelHasWireGuard(ports)) ? 'kernel' : 'uapi') : wanted;
  ports.log.info({ wireguard: kind }, 'WireGuard driver chosen');
  switch (kind) {
    case 'kernel':
      return new ToolDriver(ports.processes, ports.files, stateDir);
    case 'uapi':
      return new UapiDriver(new WireGuardGo(ports, stateDir));
    case 'memory':
      return new MemoryWireGuardDriver();
    case 'route':
      ports.log.warn({}, 'overlay without WireGuard: plain routes over the underlay, NO encryption');
      return new RouteDriver(links, underlayDevice(), new Reachability(ports.processes, ports.clock));
  }
};
