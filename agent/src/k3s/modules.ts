import { backoffMs, errorMessage, sleep, type Cancel } from '#kernel';
import { agentV1, moduleItem } from '#proto';
import type { AgentPorts, Loopback } from '../ports.js';
import type { Fate, ServiceManager } from '../services/service-manager.js';
import { BinaryDigest } from './binary-digest.js';
import { Downs, fullDisk, RuntimeDown, whyDown } from './causes.js';
import { serviceName } from './grant.js';
import type { Health } from './health.js';
import type { K3sDriver } from './k3s-driver.js';
import type { Left } from './leaving/leaving.js';
import type { K3sPaths } from './paths.js';
import { PhaseRefused } from './phase-refused.js';
import type { PhaseState, PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';

const k3sRuntime = moduleItem.shape.runtime;
const HEALTH_MS = 2_000;
const HEALTH_REPEAT_MS = 10_000;
/** How often the agent looks whether a runtime that is up still is what it should be. */
const STEADY_MS = 10_000;
/** How long a round that is under way may take to end when K3s is to leave: it may be waiting for systemd to stop K3s. */
const ROUND_BOUND_MS = 180_000;
const POLL_MS = 50;

interface Running {
  spec: K3sSpec;
  cancel: Cancel | undefined;
  busy: boolean;
  again: boolean;
  attempt: number;
  reported: string;
  health: string;
  sinceHealth: number;
  readonly downs: Downs;
  full: string | undefined;
}

export interface ModulesDeps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly phases: PhaseStore;
  readonly driver: K3sDriver;
  readonly paths: K3sPaths;
  readonly stateDir: string;
  send(message: agentV1.SyncRequest): void;
}

/** The modules of this node that have a runtime. */
export class Modules {
  private readonly running = new Map<string, Running>();
  /** Where the platform asks for snapshots and restores. */
  channel: Loopback['connect'] | undefined;
  private health: Cancel | undefined;
  private stopped = false;
  private readonly digest: BinaryDigest;

  constructor(private readonly deps: ModulesDeps) {
    this.digest = new BinaryDigest(deps.ports);
  }

  /** `cached`: what the platform said last; where that names an assignment it counts, whatever was noted before it. */
  async start(cached: ReadonlyMap<string, Uint8Array> = new Map()): Promise<void> {
    await this.deps.phases.load();
    const named = readItems(cached).specs;
    for (const id of this.deps.phases.assignments()) {
      const left = readLeaving(this.deps.phases.get(id).leaving);
      if (left !== undefined && !named.has(id)) this.want(id, left);
    }
    this.health = this.deps.ports.timers.every(HEALTH_MS, () => void this.probe());
  }

  /** Takes the modules section; answers the items that cannot be understood. Progress is told by phases. */
  apply(items: ReadonlyMap<string, Uint8Array>): string[] {
    const { errors, specs } = readItems(items);
    for (const [id, spec] of specs) {
      this.note(id, undefined);
      this.want(id, spec);
    }
    // An assignment that is gone without a word is stopped like one that says so.
    if (errors.length === 0)
      for (const [id, entry] of this.running)
        if (!specs.has(id)) {
          const spec: K3sSpec = { ...entry.spec, state: 'stop', reason: 'unassigned' };
          this.note(id, spec);
          this.want(id, spec);
        }
    return errors;
  }

  /** Nothing of the platform's names it any more: an agent that begins anew would leave it running for ever. */
  private note(id: string, spec: K3sSpec | undefined): void {
    const { ports, phases } = this.deps;
    const leaving = spec === undefined ? undefined : JSON.stringify(spec);
    // Decided when its turn to be written comes: what was noted before may not be written yet.
    const change = ({ stopped, leaving: noted }: PhaseState) =>
      leaving === noted || (stopped && leaving !== undefined) ? undefined : { leaving };
    phases.change(id, change).catch((error: unknown) => {
      ports.log.warn({ assignment: id, error: errorMessage(error) }, 'whether k3s is to go could not be noted');
    });
  }

  /** The platform is back: what was waiting for it goes on at once. */
  connected(): void {
    for (const entry of this.running.values()) {
      entry.health = '';
      if (entry.attempt > 0) this.soon(entry, 0);
    }
  }

  /** The K3s server that this node is told to run. */
  server(): { readonly spec: Extract<K3sSpec, { kind: 'k3s_server' }>; readonly busy: boolean } | undefined {
    for (const { spec, busy } of this.running.values())
      if (spec.kind === 'k3s_server' && spec.state === 'run') return { spec, busy };
    return undefined;
  }

  async stop(services: Fate): Promise<void> {
    this.quiet();
    if (services !== 'keep') for (const name of ['k3s', 'k3s-agent']) await this.deps.services.stop(name);
    this.deps.services.release();
  }

  /** The instance is over: K3s leaves this machine, and what is kept or another's is told. Throws where it must be tried again. */
  async remove(keepData: boolean): Promise<Left> {
    this.quiet();
    // A round under way would start again what is taken away here.
    for (let waited = 0; [...this.running.values()].some(({ busy }) => busy); waited += await this.breath())
      if (waited >= ROUND_BOUND_MS) throw new Error('the agent is still at work on K3s');
    const left = await this.deps.driver.leaving.remove(keepData);
    this.deps.services.release();
    return left;
  }

  private quiet(): void {
    this.stopped = true;
    this.health?.();
    for (const entry of this.running.values()) entry.cancel?.();
  }

  private async breath(): Promise<number> {
    await sleep(this.deps.ports.timers, POLL_MS);
    return POLL_MS;
  }

  private want(id: string, spec: K3sSpec): void {
    const known = this.running.get(id);
    const entry = known ?? {
      spec,
      cancel: undefined,
      busy: false,
      again: false,
      attempt: 0,
      reported: '',
      health: '',
      sinceHealth: 0,
      downs: new Downs(),
      full: undefined,
    };
    if (known !== undefined && JSON.stringify(known.spec) === JSON.stringify(spec)) return;
    // What was told of bringing it up says nothing of stopping it, nor of a stop before.
    if (spec.state !== entry.spec.state) entry.reported = '';
    if (spec.state === 'wait') this.deps.ports.log.info({ assignment: id, reason: spec.reason }, 'k3s waits');
    entry.spec = spec;
    entry.attempt = 0;
    this.running.set(id, entry);
    this.soon(entry, 0);
  }

  private soon(entry: Running, afterMs: number): void {
    if (this.stopped) return;
    if (entry.busy) {
      entry.again = true;
      return;
    }
    entry.cancel?.();
    entry.cancel = this.deps.ports.timers.after(afterMs, () => void this.round(entry));
  }

  private async round(entry: Running): Promise<void> {
    entry.busy = true;
    let next = STEADY_MS;
    const { spec } = entry;
    try {
      const result = await this.deps.driver.round(spec);
      entry.attempt = 0;
      entry.reported = '';
      if (result.kind === 'again') next = result.afterMs;
    } catch (error) {
      next = await this.trouble(entry, spec, error);
    }
    entry.busy = false;
    const hurry = entry.again;
    entry.again = false;
    this.soon(entry, hurry ? 0 : next);
  }

  private async trouble(entry: Running, spec: K3sSpec, error: unknown): Promise<number> {
    const { ports, driver } = this.deps;
    const full = await this.full(entry);
    const message = `${full === undefined ? '' : `${full}; `}${errorMessage(error)}`;
    const wait = backoffMs(entry.attempt++, () => ports.random.unit(), 1_000, 15_000);
    const what = spec.state === 'stop' ? 'k3s is not gone yet' : 'k3s is not there yet';
    ports.log.warn({ assignment: spec.assignment_id, error: message, retry_in_ms: wait }, what);
    // Once it was ready its health says that it is down, and that it is back: a failure would outlast it.
    const isTold = error instanceof RuntimeDown && this.deps.phases.get(spec.assignment_id).ready;
    const unheard = error instanceof PhaseRefused || /connected|UNAVAILABLE/.test(message);
    // What is only slow to end has not failed.
    if (spec.state === 'stop' && entry.attempt < 2) return wait;
    const word = `${spec.state}: ${message}`;
    if (!isTold && !unheard && entry.reported !== word) {
      try {
        await driver.failed(spec, message);
        entry.reported = word;
      } catch (reportError) {
        ports.log.warn({ error: errorMessage(reportError) }, 'the failure could not be reported');
      }
    }
    return wait;
  }

  private async probe(): Promise<void> {
    for (const entry of this.running.values()) {
      if (entry.spec.state !== 'run' || this.deps.phases.get(entry.spec.assignment_id).started === '') continue;
      const health = await this.look(entry);
      const argsDigest = this.deps.driver.argsDigest(entry.spec);
      const shape = `${health.ready} ${health.detail} ${argsDigest}`;
      entry.sinceHealth += HEALTH_MS;
      if (shape === entry.health && entry.sinceHealth < HEALTH_REPEAT_MS) continue;
      entry.health = shape;
      entry.sinceHealth = 0;
      const runtime =
        entry.spec.kind === 'k3s_server' ? agentV1.Runtime.RUNTIME_K3S_SERVER : agentV1.Runtime.RUNTIME_K3S_AGENT;
      const certificatesEndMs = await this.deps.driver.certificatesEndMs();
      const binaryDigest = this.digest.of(this.deps.driver.program);
      const value = { runtime, ...health, argsDigest, certificatesEndMs, binaryDigest };
      this.deps.send({ message: { $case: 'runtimeHealth', value } });
    }
  }

  /**
   * A service that is down or a full disk is the cause of all that is seen besides, and Kubernetes tells of it much later. On
   * a full disk K3s may run for a while; it starts no pod, and etcd ends with the next write.
   */
  private async look(entry: Running): Promise<Health> {
    const { ports, services, driver } = this.deps;
    const { spec, busy, downs } = entry;
    const down = busy
      ? downs.last()
      : downs.judge(await whyDown(services, serviceName(spec)), ports.clock.monotonicMs());
    const health = down === undefined ? await driver.health(spec) : { ready: false, detail: down };
    const full = await this.full(entry);
    if (full === undefined) return health;
    const detail = health.ready ? `K3s runs, but ${full}` : `${full}; ${health.detail}`;
    return { ready: false, apiReady: health.ready, detail };
  }

  private async full(entry: Running): Promise<string | undefined> {
    const { ports, paths, stateDir } = this.deps;
    entry.full = await fullDisk(ports.files, [paths.dataDir, stateDir], entry.full !== undefined);
    return entry.full;
  }
}

const readItems = (items: ReadonlyMap<string, Uint8Array>) => {
  const errors: string[] = [];
  const specs = new Map<string, K3sSpec>();
  for (const [key, bytes] of items) {
    const parsed = moduleItem.safeParse(readJson(bytes));
    if (!parsed.success)
      errors.push(`${key}: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`);
    else if (parsed.data.runtime !== null) specs.set(parsed.data.runtime.assignment_id, parsed.data.runtime);
  }
  return { errors, specs };
};

const readLeaving = (text: string | undefined): K3sSpec | undefined => {
  const parsed = k3sRuntime.safeParse(text === undefined ? undefined : readJson(Buffer.from(text)));
  return parsed.success ? (parsed.data ?? undefined) : undefined;
};

const readJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
};
