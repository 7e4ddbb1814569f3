// What a thousand agents cost, and how fast a tool call reaches them. Everything is real: the platform process as `npm start`
// runs it, on embedded Postgres, with all contexts; an operator over REST; agents (test/load) that enrol with join tokens and
// hold an mTLS connection each. Platform, agents and Postgres are processes of their own on this one machine.
//
//   p50_ms, p99_ms     a call that assigns a module to a template of 10 to 50 instances, all agents being connected: from the
//                      moment that the log recorded the call's first event until an agent has applied it and sent its
//                      receipt; over the receipts of all such calls
//   request_p99_ms     the same from the moment that the request left the operator
//   broadcast_*        calls to a template of all agents. Each instance is a stream of its own, so such a call is as many
//                      appends; `broadcast_own_p99_ms` counts from the append of each agent's own event
//   rss_mib            resident memory of the platform after all of that, minus the same process with the same fleet in its
//                      log and no agent connected
//                      (`npm start`, which is told to be close with memory: a small young generation and a heap that grows by
//                      less than V8's own step, because the live heap is 84 MiB with 1,000 agents and V8 would let it grow to
//                      240 before it collects; one malloc arena, because a thousand handshakes on several leave holes of 20
//                      to 30 MiB. Node keeps a read buffer of 64 KiB for each TLS connection and nghttp2 one of 16 KiB for
//                      what it sends; both are filled to a few hundred bytes. malloc maps what has 16 KiB, so that only the
//                      pages that are used count, and keeps no more than 8 KiB in reserve at the top of its heap: it takes
//                      blocks of any size from there before it maps one, and lays them on pages that others had touched, which
//                      cost another 20 MiB)
//   beat_core_percent  CPU of the platform process while nothing happens but beats of 1 Hz; `beat_postgres_percent` is that
//                      of its Postgres
//   reconnect_s        from SIGKILL of the platform until it was started again and every agent has a live stream and
//                      everything that is wanted of it; `resent_sections` is how much of it travelled again
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from '../../test/load/child.js';
import { percentile, Pusher, type Agents, type Push } from '../../test/load/latency.js';
import { Operator, type Group } from '../../test/load/operator.js';
import { PlatformUnderLoad, type Usage } from '../../test/load/platform-process.js';

const USAGE = `usage: npm run bench -- push [--agents 1000] [--calls 40] [--broadcasts 3] [--json]\n`;
const SIZES = [10, 20, 30, 40, 50];
const GROUPS = 20;
const REST = 'load-rest';
/** Calls that are not counted: the process is fresh, and its code not compiled yet. */
const WARM_UP = 10;
const BEATS_S = 15;
/** Below this share of a core what the last step set off has been worked through; beats alone take less. */
const QUIET_PERCENT = 25;

interface Counts {
  readonly agents: number;
  readonly calls: number;
  readonly broadcasts: number;
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const round1 = (value: number): number => Math.round(value * 10) / 10;
const seconds = (sinceMs: number): number => (performance.now() - sinceMs) / 1_000;
const percentOfCore = (before: number, after: number, forS: number): number => round1(((after - before) / forS) * 100);

/** Sixty per cent of the agents in twenty templates of one to five parts, the others in one more. */
const groupsOf = (agents: number): Group[] => {
  const small = Array.from({ length: GROUPS }, (_, n) => ({
    template: `load-${n}`,
    size: Math.max(1, Math.round((SIZES[n % SIZES.length]! * agents) / 1_000)),
  }));
  const taken = small.reduce((sum, { size }) => sum + size, 0);
  if (!(agents > taken)) throw new Error('--agents: a number from 50 on');
  return [...small, { template: REST, size: agents - taken }];
};

/** Waits until the platform has worked through what was set off, and answers what it uses then. */
const settled = async (platform: PlatformUnderLoad, what: string): Promise<Usage> => {
  const from = performance.now();
  for (let quiet = 0, before = platform.usage(); ;) {
    await wait(1_000);
    const now = platform.usage();
    quiet = (now.cpuS - before.cpuS) * 100 < QUIET_PERCENT ? quiet + 1 : 0;
    before = now;
    if (quiet < 2 && seconds(from) < 60) continue;
    say(`${what}: quiet after ${round1(seconds(from))} s, ${round1(now.rssMib)} MiB`);
    return now;
  }
};

const measurePushes = async (
  pusher: Pusher,
  templates: readonly Group[],
  warmUp: number,
  count: number,
): Promise<Push> => {
  const all = { fromAppendMs: [] as number[], fromRequestMs: [] as number[], fromOwnEventMs: [] as number[] };
  for (let n = 0; n < warmUp + count; n++) {
    const { template, size } = templates[n % templates.length]!;
    const push = await pusher.push(template, size);
    say(`push to ${size}: last receipt ${round1(Math.max(...push.fromAppendMs))} ms after the append`);
    await wait(150);
    if (n < warmUp) continue;
    all.fromAppendMs.push(...push.fromAppendMs);
    all.fromRequestMs.push(...push.fromRequestMs);
    all.fromOwnEventMs.push(...push.fromOwnEventMs);
  }
  return all;
};

const measureBeats = async (platform: PlatformUnderLoad) => {
  const before = platform.usage();
  const from = performance.now();
  await wait(BEATS_S * 1_000);
  const after = platform.usage();
  const forS = seconds(from);
  return {
    beat_core_percent: percentOfCore(before.cpuS, after.cpuS, forS),
    beat_postgres_percent: percentOfCore(before.postgresCpuS, after.postgresCpuS, forS),
  };
};

const connectAll = async (agents: Agents, count: number): Promise<number> => {
  const { sections } = await agents.next('converged', (m) => m.count === count);
  return sections;
};

const setUp = async (platform: PlatformUnderLoad, agents: Agents, operator: Operator, groups: readonly Group[]) => {
  const from = performance.now();
  const progress = (made: number) => void (made % 100 === 0 && say(`${made} instances, ${round1(seconds(from))} s`));
  const joinTokens = await operator.createFleet(groups, progress);
  const createdS = seconds(from);
  const enrolled = agents.next('enrolled', undefined, 600_000);
  const { agentAddress, enrollAddress, caPem } = platform;
  agents.send({ kind: 'start', joinTokens, agentAddress, enrollAddress, caPem });
  await enrolled;
  say(`created in ${round1(createdS)} s, enrolled in ${round1(seconds(from) - createdS)} s`);
  for (const { template } of groups) await operator.push(template, 0);
  return { setup_s: round1(seconds(from)) };
};

const measureReconnect = async (platform: PlatformUnderLoad, agents: Agents, count: number) => {
  say('kill -9 of the platform, and start');
  agents.send({ kind: 'reset' });
  await platform.end('SIGKILL');
  const from = performance.now();
  const back = connectAll(agents, count);
  await platform.start();
  say(`platform ready after ${round1(seconds(from))} s`);
  const resent_sections = await back;
  return { reconnect_s: round1(seconds(from)), resent_sections };
};

const bench = async (platform: PlatformUnderLoad, agents: Agents, counts: Counts) => {
  const groups = groupsOf(counts.agents);
  const small = groups.slice(0, GROUPS);
  const operator = new Operator(platform);
  await platform.start();
  const setup = await setUp(platform, agents, operator, groups);
  // A fresh process, so that what the set-up left behind is not taken for what idle costs.
  await platform.end('SIGKILL');
  await platform.start();
  const idle = await settled(platform, 'no agents');
  agents.send({ kind: 'connect' });
  await connectAll(agents, counts.agents);
  await settled(platform, 'all connected');
  const pusher = new Pusher(operator, agents, platform);
  const calls = await measurePushes(pusher, small, WARM_UP, counts.calls);
  await operator.moveAll(small, REST);
  await settled(platform, 'all on one template');
  const broadcasts = await measurePushes(pusher, [{ template: REST, size: counts.agents }], 1, counts.broadcasts);
  await pusher.close();
  const busy = await settled(platform, 'after the pushes');
  const beats = await measureBeats(platform);
  const reconnect = await measureReconnect(platform, agents, counts.agents);
  return {
    bench: 'push',
    agents: counts.agents,
    p50_ms: round1(percentile(calls.fromAppendMs, 0.5)),
    p99_ms: round1(percentile(calls.fromAppendMs, 0.99)),
    request_p99_ms: round1(percentile(calls.fromRequestMs, 0.99)),
    broadcast_p50_ms: round1(percentile(broadcasts.fromAppendMs, 0.5)),
    broadcast_p99_ms: round1(percentile(broadcasts.fromAppendMs, 0.99)),
    broadcast_own_p99_ms: round1(percentile(broadcasts.fromOwnEventMs, 0.99)),
    rss_mib: round1(busy.rssMib - idle.rssMib),
    rss_idle_mib: round1(idle.rssMib),
    ...beats,
    ...reconnect,
    ...setup,
    load_1m: round1(loadavg()[0]!),
  };
};

const countsOf = (args: readonly string[]): Counts | undefined => {
  const options = {
    agents: { type: 'string', default: '1000' },
    calls: { type: 'string', default: '40' },
    broadcasts: { type: 'string', default: '3' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) return undefined;
  return { agents: Number(values.agents), calls: Number(values.calls), broadcasts: Number(values.broadcasts) };
};

export const run = async (args: readonly string[]): Promise<Readonly<Record<string, string | number>>> => {
  const counts = countsOf(args);
  if (counts === undefined) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-push-'));
  const platform = await PlatformUnderLoad.in(dataDir);
  const agents: Agents = new Child('agent-sim.js');
  const endAll = async () => {
    await Promise.all([platform.cleanUp(), agents.kill()]);
    await rm(dataDir, { recursive: true, force: true });
  };
  let ending: Promise<void> | undefined;
  const cleanUp = () => (ending ??= endAll());
  const interrupted = () => void cleanUp().finally(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    return await bench(platform, agents, counts);
  } finally {
    // When a signal came first, its handler ends the process as soon as this is done.
    await cleanUp();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
};
