import { join } from 'node:path';
import { sleep } from '#kernel';
import type { SnapshotFiles } from '../adapters/snapshot-files.js';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import type { NodeRequest, NodeService } from '../tunnel/node-channel.js';
import type { K3sDriver } from './k3s-driver.js';
import type { K3sPaths } from './paths.js';
import type { PhaseStore } from './phase-state.js';
import { renderConfig, type K3sSpec } from './render.js';

const IDLE_POLL_MS = 100;
const IDLE_BOUND_MS = 60_000;

interface Deps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly phases: PhaseStore;
  readonly paths: K3sPaths;
  readonly files: SnapshotFiles;
  readonly driver: K3sDriver;
  /** The K3s server that this node is told to run, and whether somebody is at work on it. */
  server(): { readonly spec: Extract<K3sSpec, { kind: 'k3s_server' }>; readonly busy: boolean } | undefined;
}

/** Snapshots of this server's etcd, to and from the platform, and the restore of one. Everything may be asked for again. */
export class K3sRestore implements NodeService {
  constructor(private readonly deps: Deps) {}

  read(file: string) {
    return this.deps.files.read(this.path(file));
  }

  write(file: string, expected: { size: number; sha256: string }, bytes: AsyncIterable<Buffer>): Promise<void> {
    return this.deps.files.write(this.path(file), expected, bytes);
  }

  async act(request: Exclude<NodeRequest, { op: 'read' | 'write' }>): Promise<void> {
    switch (request.op) {
      case 'halt':
        return this.halt(request.id);
      case 'resume':
        return void (await this.deps.phases.set(this.spec().assignment_id, { halted: '' }));
      case 'rejoin':
        return this.rejoin(request.id);
      case 'token_ready':
      case 'token_pair_ready':
      case 'token_pair':
      case 'token':
        return this.takeToken(request);
      default:
        return this.restore(request);
    }
  }

  /** Kept for the next start of K3s, whoever makes it; the rollout's restart comes with the section. */
  private async takeToken(
    request: Extract<NodeRequest, { op: 'token_ready' | 'token_pair_ready' | 'token_pair' | 'token' }>,
  ): Promise<void> {
    const { cluster_id } = this.spec();
    if (cluster_id !== request.id) throw new Error(`this node runs a server of ${cluster_id ?? 'no cluster'}`);
    if (request.op === 'token_ready' || request.op === 'token_pair_ready') return;
    const { id, generation, token } = request;
    if (request.op === 'token_pair')
      return this.deps.driver.token.takeOffer({ cluster_id: id, generation, token, former: request.former });
    await this.deps.driver.token.take({ cluster_id: id, generation, token });
  }

  /** From here on nothing starts K3s on this node but a restore, a rejoin, or the word to go on. */
  private async halt(id: string): Promise<void> {
    const { phases, services, ports } = this.deps;
    const { assignment_id } = this.spec();
    await phases.set(assignment_id, { halted: id, ready: false });
    for (let waited = 0; this.deps.server()?.busy === true; waited += IDLE_POLL_MS) {
      if (waited >= IDLE_BOUND_MS) throw new Error('the agent is still at work on K3s');
      await sleep(ports.timers, IDLE_POLL_MS);
    }
    await services.stop('k3s');
    ports.log.warn({ restore: id }, 'k3s is halted for a restore');
  }

  private async restore({ id, file, cluster_id, token }: Extract<NodeRequest, { op: 'restore' }>): Promise<void> {
    const { phases, ports, paths, driver } = this.deps;
    const spec = this.spec();
    if (phases.get(spec.assignment_id).restored === id) return;
    await driver.data.mayTakeOver(spec.assignment_id);
    await this.halt(id);
    const binary = await driver.install(spec);
    await driver.data.own(spec, cluster_id);
    const config = renderConfig({ ...spec, role: 'init' }, paths, undefined);
    await ports.files.write(paths.config, config, 0o600);
    const tokenFile = join(paths.dataDir, 'restore-token');
    await ports.files.write(tokenFile, token, 0o600);
    // An earlier try may have been cut off after the reset: K3s refuses another one while this file is there.
    await ports.files.remove(join(paths.dataDir, 'server/db/reset-flag'));
    try {
      const argv = ['server', '--config', paths.config, '--token-file', tokenFile];
      const reset = ['--cluster-reset', `--cluster-reset-restore-path=${this.path(file)}`];
      const { code, stdout, stderr } = await ports.processes.run(binary, [...argv, ...reset]);
      if (code !== 0)
        throw new Error(`k3s --cluster-reset ended with ${code}: ${`${stdout}${stderr}`.trim().slice(-500)}`);
    } finally {
      await ports.files.remove(tokenFile);
    }
    // The snapshot has its own, which K3s keeps on disk now.
    await driver.token.forget();
    const { life, dataId, dataCluster } = phases.get(spec.assignment_id);
    const made = { installing: true, bootstrapped: true, joined: false, stopped: false, dataId, dataCluster };
    await phases.set(spec.assignment_id, {
      ...{ ...made, clusterId: cluster_id, restored: id, halted: '', life: life + 1, ready: false, started: '' },
    });
    ports.log.warn({ restore: id, file }, 'the snapshot is restored; k3s starts with it');
  }

  /** What this server has is of before the restore: it is set aside, and the server joins the restored cluster. */
  private async rejoin(id: string): Promise<void> {
    const { phases, driver } = this.deps;
    const spec = this.spec();
    if (phases.get(spec.assignment_id).restored === id) return;
    await this.halt(id);
    await driver.data.yieldTo(spec);
    await phases.set(spec.assignment_id, { restored: id, halted: '' });
  }

  private spec() {
    const server = this.deps.server();
    if (server === undefined) throw new Error('this node is not told to run a K3s server');
    return server.spec;
  }

  private path(file: string): string {
    return join(this.deps.paths.dataDir, 'server/db/snapshots', file);
  }
}
