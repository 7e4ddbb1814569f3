import { agentV1 } from '#proto';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { certificatesEndMs } from './certificates.js';
import type { K3sPaths } from './paths.js';
import type { PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';
import type { ServerToken } from './server-token.js';

interface Deps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly phases: PhaseStore;
  readonly paths: K3sPaths;
  readonly token: ServerToken;
}

/** Makes certificates anew, and takes another server token up, when the section counts up: once for each count, whatever dies. */
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

  /** False while K3s must wait for a token of that generation. It takes who has it when it starts, so it is stopped for it. */
  async tokenFor(spec: K3sSpec, service: string): Promise<boolean> {
    const { ports, services, phases, token } = this.deps;
    const wanted = spec.token_generation ?? 0;
    const { token: running, life, clusterId, started } = phases.get(spec.assignment_id);
    if (spec.kind !== 'k3s_server' || wanted <= running) return true;
    if (started === '') {
      // Nothing runs here yet: what it joins with, or what is held, is the newest anyway.
      await phases.set(spec.assignment_id, { token: wanted });
      return true;
    }
    if (((await token.of(spec.cluster_id ?? clusterId))?.generation ?? 0) < wanted) return false;
    await services.stop(service);
    await phases.set(spec.assignment_id, { token: wanted, ready: false, life: life + 1 });
    ports.log.info({ assignment: spec.assignment_id, generation: wanted }, 'k3s starts with another server token');
    return true;
  }

  /**
   * True when K3s refused the token that it was started with and has another one to try: the platform may have died between
   * K3s' taking the new token and its own knowing so, and all servers may have been restarted since.
   */
  async otherToken(spec: K3sSpec, service: string): Promise<boolean> {
    const { services, phases, token, ports } = this.deps;
    const clusterId = spec.cluster_id ?? phases.get(spec.assignment_id).clusterId;
    if (spec.kind !== 'k3s_server' || services.said === undefined || !(await token.isOffered(clusterId))) return false;
    if (!(await token.refused(clusterId, await services.said(service)))) return false;
    ports.log.warn({ assignment: spec.assignment_id }, 'k3s refused its server token: the other one is tried');
    return true;
  }

  /** What to tell the platform once K3s is ready again; undefined when it knows. */
  async news(spec: K3sSpec): Promise<Partial<agentV1.ReportPhaseRequest> | undefined> {
    const { ports, phases, paths } = this.deps;
    const { certificates, certificatesTold, token, tokenTold } = phases.get(spec.assignment_id);
    if (token > tokenTold) return { tokenGeneration: token };
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

  async told(spec: K3sSpec, news: Partial<agentV1.ReportPhaseRequest>): Promise<void> {
    const { certificates, token } = this.deps.phases.get(spec.assignment_id);
    const about = news.tokenGeneration === undefined ? { certificatesTold: certificates } : { tokenTold: token };
    await this.deps.phases.set(spec.assignment_id, about);
  }
}
