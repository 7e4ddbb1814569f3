// From a change's append to a thousand agents' receipts, over real mTLS; what the agents cost; how fast they are back after
// a restart of the platform. Platform, agents and Postgres are processes of their own.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { migrate, startEmbeddedPostgres } from '#event-store';
import type { FromAgents, FromPlatform, PlatformSettings, ToAgents, ToPlatform } from '../../test/load/protocol.js';

const WARM_UP = 5;
const ITEMS = 100;
const BEATS_MS = 10_000;

class Child<To extends object, From extends { readonly kind: string }> {
  readonly process: ChildProcess;
  private readonly waiting = new Set<(message: From) => void>();
  private readonly gone: Promise<never>;
  private expected = false;

  constructor(file: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    this.process = fork(join(import.meta.dirname, '../../test/load', file), [], {
      execArgv: [...args],
      env: { ...process.env, ...env },
    });
    this.process.on('message', (message: From) => this.waiting.forEach((take) => take(message)));
    this.gone = new Promise((_, reject) => {
      this.process.once('exit', (code) => this.expected || reject(new Error(`${file} ended with code ${code}`)));
    });
    this.gone.catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }

  send(message: To): void {
    this.process.send(message);
  }

  /** The next message of a kind that fits. */
  next<K extends From['kind']>(
    kind: K,
    fits: (m: Extract<From, { kind: K }>) => boolean = () => true,
    withinMs = 120_000,
  ) {
    type M = Extract<From, { kind: K }>;
    const arrived = new Promise<M>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${kind} within ${withinMs} ms`)), withinMs);
      const take = (message: From) => {
        if (message.kind !== kind || !fits(message as M)) return;
        clearTimeout(timer);
        this.waiting.delete(take);
        resolve(message as M);
      };
      this.waiting.add(take);
    });
    return Promise.race([arrived, this.gone]);
  }

  kill(): Promise<void> {
    this.expected = true;
    const exited = new Promise<void>((resolve) => this.process.once('exit', () => resolve()));
    this.process.kill('SIGKILL');
    return exited;
  }
}

type Platform = Child<ToPlatform, FromPlatform>;
type Agents = Child<ToAgents, FromAgents>;

const startPlatform = async (settings: PlatformSettings) => {
  const platform: Platform = new Child('platform-sim.js', PLATFORM_FLAGS, PLATFORM_ENV);
  const ready = platform.next('ready');
  platform.send({ kind: 'start', settings });
  return { platform, ready: await ready };
};

const measure = async (platform: Platform) => {
  const measured = platform.next('measured');
  platform.send({ kind: 'measure' });
  return measured;
};

const latencies = async (platform: Platform, agents: Agents, rounds: number): Promise<number[]> => {
  const all: number[] = [];
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const received = agents.next('received', (m) => m.round === round);
    platform.send({ kind: 'change', round });
    const { latenciesMs, problems } = await received;
    if (problems > 0) throw new Error(`${problems} agents saw a wrong hash or base`);
    if (round >= WARM_UP) all.push(...latenciesMs);
    const sorted = latenciesMs.toSorted((a, b) => a - b);
    say(`round ${round}: median ${round1(sorted[sorted.length >> 1]!)} ms, last ${round1(sorted.at(-1)!)} ms`);
    await wait(150);
  }
  return all.sort((a, b) => a - b);
};

/** Short-lived garbage of a push to everybody would otherwise be kept as empty heap: 35 MiB less for the same latency. */
const PLATFORM_FLAGS = ['--max-semi-space-size=4'];
/** One malloc arena: a thousand handshakes on several threads' arenas leave 20 to 30 MiB of holes (glibc). */
const PLATFORM_ENV = { MALLOC_ARENA_MAX: '1' };

const round1 = (value: number): number => Math.round(value * 10) / 10;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const bench = async (count: number, rounds: number, settings: PlatformSettings) => {
  let { platform, ready } = await startPlatform(settings);
  const agents: Agents = new Child('agent-sim.js');
  try {
    const enrolled = agents.next('enrolled');
    const { agentPort, enrollPort, caPem } = ready;
    agents.send({ kind: 'start', count, host: '127.0.0.1', agentPort, enrollPort, caPem });
    const { instances } = await enrolled;
    say(`${instances.length} agents enrolled`);
    // A fresh process, so that what enrolment left behind is not taken for what idle costs.
    await platform.kill();
    ({ platform, ready } = await startPlatform({ ...settings, agentPort, enrollPort }));
    const prepared = platform.next('prepared');
    platform.send({ kind: 'prepare', instances, items: ITEMS });
    await prepared;
    await wait(1_000);
    const idle = await measure(platform);
    agents.send({ kind: 'connect' });
    await agents.next('converged', (m) => m.count === count);
    say('all connected');
    await wait(1_000);
    const sorted = await latencies(platform, agents, rounds);
    await wait(1_000);
    const before = await measure(platform);
    await wait(BEATS_MS);
    const after = await measure(platform);
    say('restarting the platform');
    agents.send({ kind: 'reset' });
    await platform.kill();
    const downAt = performance.now();
    ({ platform } = await startPlatform({ ...settings, agentPort, enrollPort }));
    await agents.next('converged', (m) => m.count === count);
    const reconnectMs = performance.now() - downAt;
    return {
      bench: 'push',
      agents: count,
      p50_ms: round1(sorted[Math.floor(sorted.length * 0.5)]!),
      p99_ms: round1(sorted[Math.floor(sorted.length * 0.99)]!),
      rss_mib: round1(after.rssMib - idle.rssMib),
      beat_core_percent: round1((after.cpuMicros - before.cpuMicros) / (BEATS_MS * 10)),
      reconnect_s: round1(reconnectMs / 1_000),
    };
  } finally {
    await Promise.all([platform.kill(), agents.kill()]);
  }
};

export const run = async (args: readonly string[]): Promise<Readonly<Record<string, string | number>>> => {
  const options = { agents: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '20' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-push-'));
  const postgres = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), dieWithParent: true });
  try {
    await migrate(postgres.connection);
    const settings = { dataDir, connectionString: postgres.connectionString, agentPort: 0, enrollPort: 0 };
    return await bench(Number(values.agents), Number(values.rounds), settings);
  } finally {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};
