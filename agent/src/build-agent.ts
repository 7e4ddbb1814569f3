import { join } from 'node:path';
import type { RunOptions } from './cli.js';
import { Agent } from './agent.js';
import { Docker, dockerPaths } from './docker/docker.js';
import type { Identity, IdentityStore } from './identity/identity-store.js';
import { K3sDriver } from './k3s/k3s-driver.js';
import { Modules } from './k3s/modules.js';
import { k3sPaths } from './k3s/paths.js';
import { systemSnapshotFiles } from './adapters/snapshot-files.js';
import { K3sRestore } from './k3s/restore.js';
import { nodeChannel } from './tunnel/node-channel.js';
import { PhaseStore } from './k3s/phase-state.js';
import type { KernelLease } from './lease/kernel-lease.js';
import type { Vty } from './frr/vty.js';
import { IpRoute } from './network/iproute.js';
import type { LinkOps } from './network/link-ops.js';
import { Overlay } from './network/overlay.js';
import type { AgentPorts } from './ports.js';
import { ProcessManager } from './services/process-manager.js';
import type { ServiceManager } from './services/service-manager.js';
import { SystemdManager } from './services/systemd-manager.js';
import type { WireGuardDriver } from './wireguard/driver.js';

export interface AgentAssembly {
  readonly ports: AgentPorts;
  readonly store: IdentityStore;
  readonly identity: Identity;
  readonly driver: WireGuardDriver;
  readonly links: LinkOps;
  readonly fence: KernelLease;
  readonly services: ServiceManager;
  /** How routing daemons are spoken to; without it ibgp networks are meshes here. */
  readonly vty?: Vty | undefined;
  readonly options: Pick<RunOptions, 'stateDir' | 'root' | 'k3sBin'>;
}

/** Puts the agent together from its ports: the real ones in main.ts, others in tests and simulations. */
export const buildAgent = (a: AgentAssembly): Agent => {
  const { ports, store, driver, links, fence, services } = a;
  const { stateDir, root, k3sBin } = a.options;
  const frr = a.vty && { services, vty: a.vty };
  const phases = new PhaseStore(ports.files, join(stateDir, 'phases.json'));
  return new Agent(
    {
      ports,
      store,
      capabilities: {
        wireguard: driver.kind,
        services: services.kind,
        // Asked at each Hello: the kernel may stop to enforce leases later on.
        get fence() {
          return fence.kind;
        },
      },
      overlay: (send, askAnew) => new Overlay({ ports, driver, links, fence, stateDir, send, askAnew, frr }),
      docker: (report) => new Docker({ ports, services, paths: dockerPaths(root), stateDir, report }),
      modules: (send, report) => {
        const paths = k3sPaths(root);
        const network = links instanceof IpRoute;
        const k3s = new K3sDriver({
          ports,
          services,
          phases,
          paths,
          stateDir,
          fallbackBinary: k3sBin,
          network,
          report,
        });
        const modules = new Modules({ ports, services, phases, driver: k3s, paths, stateDir, send });
        const server = () => modules.server();
        const restore = { ports, services, phases, paths, files: systemSnapshotFiles, driver: k3s, server };
        modules.channel = nodeChannel(new K3sRestore(restore));
        return modules;
      },
    },
    a.identity,
  );
};

/** systemd where it runs as the init system, supervision by the agent elsewhere. */
export const chooseServices = async (
  ports: AgentPorts,
  wanted: RunOptions['services'],
  stateDir: string,
): Promise<ServiceManager> => {
  const booted = async () => (await ports.processes.run('systemctl', ['is-system-running'])).stdout.trim();
  const systemd =
    wanted === 'systemd' || (wanted === 'auto' && /^(running|degraded|starting|initializing)$/.test(await booted()));
  return systemd ? new SystemdManager(ports) : new ProcessManager(ports, join(stateDir, 'services'));
};
