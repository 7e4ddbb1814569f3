import { agentV1 } from '#proto';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { certificatesEndMs } from './certificates.js';
import type { K3sPaths } from './paths.js';
import type { PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';

interface Deps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly phases: PhaseStore;
  readonly paths: K3sPaths;
}

/** Makes this node's K3s certificates anew when its section counts up, once for each count, whatever dies in between. */
export class K3sRotation {
  constructor(private readonly deps: Deps) {}

  /** K3s must not run while its certificates are taken away; it makes new ones when it starts. */
  async before(spec: K3sSpec, binary: string, service: string): Promise<void> {
    const { ports, services, phases, paths } = this.deps;
    const wanted = spec.certificate_generation ?? 0;
    const { certificates, life } = phases.get(spec.assignment_id);
    if (wanted <= certificates) return;
    await services.stop(service);
    // A disk that is new, or was set aside: K3s makes new certificates there anyway, and some versions refuse an empty folder.
    const some = (await certificatesEndMs(ports.files, paths)) !== undefined;
    const argv = ['certificate', 'rotate', '--data-dir', paths.dataDir];
    const done = some ? await ports.processes.run(binary, argv) : { code: 0, stderr: '' };
    if (done.code !== 0) throw new Error(`k3s certificate rotate failed: ${done.stderr.trim().slice(-300)}`);
    // Without its certificate a worker is a stranger, and the token that it joined with ended long ago: it asks for another.
    const joined = spec.kind === 'k3s_server' && phases.get(spec.assignment_id).joined;
    await phases.set(spec.assignment_id, { certificates: wanted, ready: false, joined, life: life + 1 });
    ports.log.info({ assignment: spec.assignment_id, generation: wanted }, 'k3s certificates are made anew');
  }

  /** What to tell the platform once K3s is ready again; undefined when it knows. */
  async news(spec: K3sSpec): Promise<Partial<agentV1.ReportPhaseRequest> | undefined> {
    const { ports, phases, paths } = this.deps;
    const { certificates, certificatesTold } = phases.get(spec.assignment_id);
    if (certificates <= certificatesTold) return undefined;
    const end = await certificatesEndMs(ports.files, paths);
    const kubeconfig =
      spec.kind === 'k3s_server' ? (await ports.files.read(paths.kubeconfig))?.toString('utf8').trim() : undefined;
    return {
      certificateGeneration: certificates,
      kubeconfig: kubeconfig ?? '',
      ...(end === undefined ? {} : { certificatesEndMs: end }),
    };
  }

  async told(spec: K3sSpec): Promise<void> {
    const { certificates } = this.deps.phases.get(spec.assignment_id);
    await this.deps.phases.set(spec.assignment_id, { certificatesTold: certificates });
  }
}
