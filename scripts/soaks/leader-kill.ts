// Two platform processes on one database: the leader is killed or stopped again and again, the other takes over, nothing happens twice.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedEvent } from '#event-store';
import type { SoakValues } from '../soak.js';
import { undoLater } from './support/cleanup.js';
import { problemsOfLog, readLogOf } from './support/event-log.js';
import { say, wholeNumber } from './support/numbers.js';
import { Twins } from './support/twins.js';

export const about = `Two platform processes on one Postgres server, while nodes and instances are created through both. In turn the
  leader gets kill -9 and is started again, or SIGSTOP until the other has led for a while, and SIGCONT. Measures take-overs.`;
export const options = {
  rounds: { type: 'string', default: '20' },
  root: { type: 'string', default: '' },
  /** Take-over after kill -9 and after SIGSTOP, in milliseconds. */
  'kill-bound': { type: 'string', default: '2000' },
  'stop-bound': { type: 'string', default: '6000' },
} as const;

/** Creates instances through both processes until told to stop; every call is repeated under its key until it is answered. */
class Load {
  readonly instances: string[] = [];
  private stopped = false;
  private readonly work: Promise<void>[];

  constructor(
    private readonly twins: Twins,
    writers: number,
  ) {
    this.work = Array.from({ length: writers }, (_, w) => this.write(w));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.work);
  }

  private async write(writer: number): Promise<void> {
    for (let n = 0; !this.stopped; n++) {
      const hostname = `n-${writer}-${n}`;
      const created = { hostname, node_template_id: 'workers', idempotency_key: `node-${hostname}` };
      const { node } = await this.twins.insist<{ node: { id: string } }>('system_create_node', created);
      const provisioned = { node_id: node.id, idempotency_key: `instance-${hostname}` };
      const { instance } = await this.twins.insist<{ instance: { id: string } }>(
        'system_provision_instance',
        provisioned,
      );
      this.instances.push(instance.id);
      await sleep(20);
    }
  }
}

type Inbox = { input: { kind: string; of?: { version: number; index: number } }; outputs: { kind: string }[] };

/** Every command of a process manager has one answer, every instance each of its modules once. */
const problemsOfEffects = (events: readonly RecordedEvent[], instances: readonly string[]): string[] => {
  const problems: string[] = [];
  const once = new Map<string, number>();
  const count = (key: string) => once.set(key, (once.get(key) ?? 0) + 1);
  for (const event of events) {
    if (event.type === 'system.docker.module.assigned')
      count(`${String(event.data['instance_id'])} gets ${String(event.data['assignment_id'])}`);
    if (event.type !== 'system.pm.input_received') continue;
    const { input, outputs } = event.data as unknown as Inbox;
    outputs.forEach((o, index) => o.kind === 'command' && once.set(`${event.stream} ${event.version}/${index}`, 0));
    if (input.kind === 'command_result') count(`${event.stream} ${input.of!.version}/${input.of!.index}`);
  }
  for (const [key, times] of once) if (times !== 1) problems.push(`${key}: ${times} times`);
  for (const id of instances) {
    const got = [...once.keys()].filter((key) => key.startsWith(`${id} gets `)).length;
    if (got !== 1) problems.push(`${id} has ${got} modules, expected 1`);
  }
  return problems;
};

export interface LeaderKillResult {
  readonly kills: readonly number[];
  readonly stops: readonly number[];
  readonly events: number;
  readonly commands: number;
}

const quiet = async (twins: Twins): Promise<void> => {
  for (const deadline = performance.now() + 60_000; ;) {
    const { agents } = await twins.call<{ agents: { lag: number; status: string }[] }>(
      await twins.leader(),
      'list_agents',
      {},
    );
    if (agents.every(({ lag, status }) => lag === 0 && status === 'live')) break;
    if (performance.now() > deadline) throw new Error(`never quiet: ${JSON.stringify(agents)}`);
    await sleep(100);
  }
  // Commands are answered a moment after the events that ask for them have been taken in.
  await sleep(1_000);
};

const rounds = async (twins: Twins, count: number, killMs: number, stopMs: number) => {
  const [kills, stops]: [number[], number[]] = [[], []];
  for (let round = 0; round < count; round++) {
    await sleep(500 + (round % 5) * 200);
    if (round % 2 === 0) {
      const { victim, tookMs } = await twins.takeOver('SIGKILL', killMs);
      kills.push(tookMs);
      say(`  kill -9 of ${victim.name}: the other leads after ${tookMs} ms`);
      await twins.restart(victim);
      continue;
    }
    const { victim, tookMs } = await twins.takeOver('SIGSTOP', stopMs);
    stops.push(tookMs);
    say(`  SIGSTOP of ${victim.name}: the other leads after ${tookMs} ms`);
    await sleep(500);
    process.kill(victim.child.pid!, 'SIGCONT');
  }
  return { kills, stops };
};

/** Throws when something was lost, doubled, or took too long. */
export const leaderKill = async (
  root: string,
  count: number,
  killMs: number,
  stopMs: number,
): Promise<LeaderKillResult> => {
  const twins = await Twins.start(root);
  const close = undoLater(() => twins.close());
  try {
    await twins.insist('system_create_template', { name: 'workers', idempotency_key: 'workers' });
    const module = { template_id: 'workers', module_name: 'docker-engine', idempotency_key: 'docker' };
    await twins.insist('system_assign_module_to_template', module);
    const load = new Load(twins, 3);
    const { kills, stops } = await rounds(twins, count, killMs, stopMs);
    await load.stop();
    await quiet(twins);
    await twins.stopPlatforms();
    const log = await readLogOf({ dataDir: '', databaseUrl: twins.databaseUrl });
    const problems = [...problemsOfLog(log), ...problemsOfEffects(log.events, load.instances)];
    if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n  '));
    const commands = log.events
      .filter((e) => e.type === 'system.pm.input_received')
      .filter((e) => (e.data as unknown as Inbox).input.kind === 'command_result').length;
    return { kills, stops, events: log.events.length, commands };
  } finally {
    await close();
  }
};

export const run = async (values: SoakValues) => {
  const root = values['root'] === '' ? join(import.meta.dirname, '../../..') : String(values['root']);
  const [count, killMs, stopMs] = ['rounds', 'kill-bound', 'stop-bound'].map((name) => wholeNumber(values, name)) as [
    number,
    number,
    number,
  ];
  const { kills, stops, events, commands } = await leaderKill(root, count, killMs, stopMs);
  return {
    kills: kills.length,
    stops: stops.length,
    slowest_takeover_after_kill_ms: Math.max(0, ...kills),
    slowest_takeover_after_stop_ms: Math.max(0, ...stops),
    events,
    commands_once: commands,
    lost: 0,
    doubled: 0,
  };
};
