import { dirname, join } from 'node:path';
import { backoffMs, deterministicUuid, errorMessage, sha256Hex, sleep, type Cancel } from '#kernel';
import { agentV1, dockerSpec, type DockerSpec } from '#proto';
import type { AgentPorts } from '../ports.js';
import type { Fate, ServiceManager, ServiceSpec } from '../services/service-manager.js';
import { certificateOf, endsSoon, newKeyPem, requestPem, serves } from './certificate.js';
import { daemonConfig, socketOf, type DockerPaths } from './daemon-config.js';
import { DockerState } from './docker-state.js';

export { dockerPaths } from './daemon-config.js';

const { Phase, Runtime } = agentV1;
const SERVICE = 'docker';
/** How often a daemon that is up is looked at: its certificate is renewed in time that way. */
const STEADY_MS = 30_000;
const SOON_MS = 500;
/** How long a round that is under way may take to end when Docker is to leave. */
const ROUND_BOUND_MS = 180_000;
const POLL_MS = 50;

export interface DockerDeps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly paths: DockerPaths;
  readonly stateDir: string;
  report(request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse>;
}

/** Docker Engine on this node, one level-triggered round at a time. The key is made here and never leaves. */
export class Docker {
  private spec: DockerSpec | undefined;
  private readonly state: DockerState;
  private cancel: Cancel | undefined;
  private busy = false;
  private again = false;
  private attempt = 0;
  private told = '';
  private stopped = false;

  constructor(private readonly deps: DockerDeps) {
    this.state = new DockerState(deps.ports.files, join(deps.stateDir, 'docker.json'));
  }

  /** `cached`: what the platform said last; where that names the engine it counts, whatever was noted before it. */
  async start(cached?: ReadonlyMap<string, Uint8Array>): Promise<void> {
    await this.state.load();
    const { leaving } = this.state.get();
    const left = leaving === '' ? undefined : dockerSpec.safeParse(JSON.parse(leaving));
    if (left?.success === true && cached?.has('engine') !== true) this.want(left.data);
  }

  /** Takes the docker section. Progress is told by phases. */
  apply(items: ReadonlyMap<string, Uint8Array>): string[] {
    const bytes = items.get('engine');
    if (bytes === undefined) {
      // Unassigned without a word: stopped like one that says so.
      if (this.spec !== undefined) this.leave({ ...this.spec, state: 'stop', reason: 'unassigned' });
      return [];
    }
    const parsed = dockerSpec.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    if (!parsed.success)
      return [`engine: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`];
    this.note('');
    this.want(parsed.data);
    return [];
  }

  private leave(spec: DockerSpec): void {
    this.note(JSON.stringify(spec));
    this.want(spec);
  }

  /** Nothing of the platform's names it any more: an agent that begins anew would leave it running for ever. */
  private note(leaving: string): void {
    // Decided when its turn to be written comes: what was noted before may not be written yet.
    const noting = this.state.change((before) =>
      leaving === before.leaving || (leaving !== '' && before.stopped) ? undefined : { leaving },
    );
    noting.catch((error: unknown) => {
      this.deps.ports.log.warn({ error: errorMessage(error) }, 'whether docker is to go could not be noted');
    });
  }

  connected(): void {
    if (this.attempt > 0) this.soon(0);
  }

  async stop(services: Fate): Promise<void> {
    this.quiet();
    if (services === 'stop' && this.state.get().started !== '') await this.deps.services.stop(SERVICE);
  }

  /** The instance is over. Answers what is left: images and volumes are nobody's to delete, and others' files are theirs. */
  async remove(): Promise<readonly string[]> {
    this.quiet();
    // A round under way would start again what is taken away here.
    for (let waited = 0; this.busy; waited += POLL_MS) {
      if (waited >= ROUND_BOUND_MS) throw new Error('the agent is still at work on Docker');
      await sleep(this.deps.ports.timers, POLL_MS);
    }
    return this.state.get().assignment === '' ? [] : this.takeAway();
  }

  private quiet(): void {
    this.stopped = true;
    this.cancel?.();
  }

  /** What was written here for the daemon: its unit, configuration and key. One that Drover did not start goes on. */
  private async takeAway(): Promise<readonly string[]> {
    const { services, paths, ports } = this.deps;
    const left = this.state.get().started === '' ? [] : await services.remove(SERVICE);
    for (const path of [paths.config, paths.key, paths.certificate, paths.clientCa]) await ports.files.remove(path);
    await ports.files.removeIfEmpty(dirname(paths.config));
    await ports.files.removeIfEmpty(dirname(paths.operators));
    return left.map((path) => `${path}: not written by drover-agent`);
  }

  private want(spec: DockerSpec): void {
    if (JSON.stringify(spec) === JSON.stringify(this.spec)) return;
    if (spec.state !== this.spec?.state) this.told = '';
    this.spec = spec;
    this.attempt = 0;
    this.soon(0);
  }

  private soon(afterMs: number): void {
    if (this.stopped) return;
    if (this.busy) {
      this.again = true;
      return;
    }
    this.cancel?.();
    this.cancel = this.deps.ports.timers.after(afterMs, () => void this.run());
  }

  private async run(): Promise<void> {
    const { spec } = this;
    if (spec === undefined) return;
    this.busy = true;
    let next = STEADY_MS;
    try {
      next = await this.round(spec);
      this.attempt = 0;
      this.told = '';
    } catch (error) {
      next = await this.trouble(spec, error);
    }
    this.busy = false;
    const hurry = this.again;
    this.again = false;
    this.soon(hurry ? 0 : next);
  }

  private async round(spec: DockerSpec): Promise<number> {
    if (spec.state === 'wait') return STEADY_MS;
    if (spec.state === 'stop') return this.end(spec);
    const { ports, paths } = this.deps;
    let state = this.state.get();
    if (state.stopped || state.assignment !== spec.assignment_id) state = await this.state.begin(spec.assignment_id);
    if (!state.installing) {
      await this.report(spec, Phase.PHASE_INSTALLING, {});
      await this.state.set({ installing: true });
    }
    const found = await ports.processes.run(spec.binary, ['--version']);
    if (found.code !== 0)
      throw new Error(
        `${spec.binary} does not run (${found.stderr.trim().slice(-200)}): install Debian’s docker.io or name binary_path`,
      );
    await this.certify(spec);
    await this.launch(spec);
    const version = await this.version(spec);
    if (version === undefined) return this.notReady();
    if (this.state.get().ready !== version) {
      await this.report(spec, Phase.PHASE_READY, { version });
      // What comes after it is told anew, though it be what was told before it.
      await this.state.set({ ready: version, life: this.state.get().life + 1 });
      ports.log.info({ version, api: `tcp://[${spec.address}]:${spec.port}`, config: paths.config }, 'docker is ready');
    }
    return STEADY_MS;
  }

  /** A key of this node's own, and a certificate for its overlay address; renewed when a third of its life is left. */
  private async certify(spec: DockerSpec): Promise<void> {
    const { ports, paths } = this.deps;
    const text = async (path: string) => (await ports.files.read(path))?.toString('utf8');
    let key = await text(paths.key);
    if (key === undefined) await ports.files.write(paths.key, (key = newKeyPem()), 0o600);
    const certificate = certificateOf((await text(paths.certificate)) ?? '');
    const good = certificate !== undefined && serves(certificate, key, spec.address);
    if (good && !endsSoon(certificate, ports.clock.wallMs()) && (await text(paths.clientCa)) !== undefined) return;
    const ack = await this.report(spec, Phase.PHASE_WANTS_CERT, { csrPem: requestPem(key, spec.node_name) });
    const fresh = certificateOf(ack.certificatePem);
    if (fresh === undefined || !serves(fresh, key, spec.address) || ack.caPem === '')
      throw new Error('the platform answered with a certificate that is not for this node’s key and address');
    await ports.files.write(paths.clientCa, ack.caPem, 0o644);
    await ports.files.write(paths.certificate, `${ack.certificatePem}${ack.caChainPem}`, 0o644);
  }

  private async launch(spec: DockerSpec): Promise<void> {
    const { ports, paths, services } = this.deps;
    const existing = (await ports.files.read(paths.operators))?.toString('utf8');
    const config = daemonConfig(spec, paths, existing);
    if ((await ports.files.read(paths.config))?.toString('utf8') !== config)
      await ports.files.write(paths.config, config, 0o600);
    const certificate = (await ports.files.read(paths.certificate))?.toString('utf8') ?? '';
    const service: ServiceSpec = {
      name: SERVICE,
      description: 'Docker Engine',
      command: spec.binary,
      args: ['--config-file', paths.config],
      env: {},
    };
    const digest = sha256Hex(`${spec.binary}\n${config}\n${certificate}`).slice(0, 16);
    const { started } = this.state.get();
    if (started !== '' && started !== digest) {
      ports.log.info({}, 'docker’s configuration or certificate changed, restarting it');
      await services.restart(service);
      return void (await this.state.set({ started: digest, ready: '' }));
    }
    if (started === '') {
      await this.mustBeFree(spec);
      // Before it is started: an agent that dies here must know it for its own in its next life.
      await this.state.set({ started: digest });
    }
    await services.ensure(service);
  }

  /** An engine that runs before ours was ever started is the operator's: it is neither taken over nor stopped. */
  private async mustBeFree(spec: DockerSpec): Promise<void> {
    const { running } = await this.deps.services.status(SERVICE);
    if (!running && (await this.version(spec)) === undefined) return;
    throw new Error(
      `a Docker Engine that Drover did not start runs here, at ${socketOf(spec, this.deps.paths)}: stop it ` +
        '(systemctl disable --now docker.service docker.socket) to let Drover run one, or unassign docker-engine; it is left alone',
    );
  }

  private async version(spec: DockerSpec): Promise<string | undefined> {
    try {
      const { status, body } = await this.deps.ports.http.getLocal(socketOf(spec, this.deps.paths), '/version');
      return status === 200 ? String((JSON.parse(body) as { Version?: unknown }).Version) : undefined;
    } catch {
      // Not listening yet; `notReady` looks whether it runs at all.
      return undefined;
    }
  }

  private async notReady(): Promise<number> {
    const status = await this.deps.services.status(SERVICE);
    if (!status.running) throw new Error(`docker does not run: ${status.detail}`);
    return SOON_MS;
  }

  private async end(spec: DockerSpec): Promise<number> {
    if (this.state.get().stopped) return STEADY_MS;
    const left = await this.takeAway();
    if (left.length > 0) this.deps.ports.log.info({ left }, 'docker leaves; these files are not ours');
    await this.report(spec, Phase.PHASE_STOPPED, {});
    await this.state.set({ stopped: true, started: '', ready: '', installing: false, leaving: '' });
    return STEADY_MS;
  }

  private async trouble(spec: DockerSpec, error: unknown): Promise<number> {
    const { ports } = this.deps;
    const message = errorMessage(error);
    const wait = backoffMs(this.attempt++, () => ports.random.unit(), 1_000, 15_000);
    const stopping = spec.state === 'stop';
    ports.log.warn({ error: message, retry_in_ms: wait }, `docker is not ${stopping ? 'gone' : 'there'} yet`);
    // What is only slow to end has not failed.
    if (stopping && this.attempt < 2) return wait;
    if (this.told === message || /connected|UNAVAILABLE/.test(message)) return wait;
    try {
      await this.report(spec, Phase.PHASE_FAILED, { error: message, stopping });
      this.told = message;
      // That it is there again is told, of the same version too.
      if (!stopping && this.state.get().ready !== '') await this.state.set({ ready: '' });
    } catch (reportError) {
      ports.log.warn({ error: errorMessage(reportError) }, 'the failure could not be reported');
    }
    return wait;
  }

  private async report(
    spec: DockerSpec,
    phase: agentV1.Phase,
    fields: Partial<agentV1.ReportPhaseRequest>,
  ): Promise<agentV1.PhaseAck> {
    const { life } = this.state.get();
    // The same content has the same id, so that a repeat after a lost answer is known as one.
    const digest = sha256Hex(JSON.stringify([spec.address, fields]));
    const requestId = deterministicUuid('docker_phase', spec.assignment_id, life, phase, digest);
    const base = agentV1.ReportPhaseRequest.fromPartial(fields);
    const runtime = Runtime.RUNTIME_DOCKER;
    const { result } = await this.deps.report({ ...base, requestId, runtime, phase, nodeName: spec.node_name });
    if (result?.$case === 'ack') return result.value;
    if (result?.$case === 'refusal') throw new Error(`${result.value.code}: ${result.value.message}`);
    throw new Error(`the platform gave no answer to ${Phase[phase]}`);
  }
}
