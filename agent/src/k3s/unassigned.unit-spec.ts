import { ManualClock, silentLog } from '#kernel';
import type { K3sAgentSpec } from '#proto';
import type { Files } from '../ports.js';
import { Modules, type ModulesDeps } from './modules.js';
import { stoppedState } from './k3s-data.js';
import { PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';

const spec: K3sAgentSpec = {
  kind: 'k3s_agent',
  ...{ assignment_id: 'a1', state: 'run', reason: '', cluster_id: null, node_name: 'w1', node_ips: [], binary: {} },
  ...{ args: [], target_cluster_id: null },
};
const items = (runtime: K3sSpec) =>
  new Map([
    [
      'module/k3s-agent',
      Buffer.from(JSON.stringify({ name: 'k3s-agent', assignment_id: 'a1', priority: 1, config: {}, runtime })),
    ],
  ]);

/** A node whose disk outlives its agents, and whose K3s ends when it is allowed to. */
const node = () => {
  const kept = new Map<string, string>();
  const files = {
    read: async (path: string) => (kept.has(path) ? Buffer.from(kept.get(path)!) : undefined),
    write: async (path: string, text: string) => {
      await machine.writing;
      if (machine.full) throw new Error('ENOSPC: no space left on device');
      kept.set(path, text);
    },
    list: async () => [],
    space: async () => undefined,
  } as unknown as Files;
  const told: string[] = [];
  const rounds: string[] = [];
  const machine = { ends: false, full: false, writing: Promise.resolve() };
  const agent = async (cached?: ReadonlyMap<string, Uint8Array>) => {
    const due = new Set<() => void>();
    const timers = {
      after: (_: number, act: () => void) => (due.add(act), () => void due.delete(act)),
      every: () => () => undefined,
    };
    const phases = new PhaseStore(files, '/state/phases.json');
    const driver = {
      round: async ({ state }: K3sSpec) => {
        rounds.push(state);
        if (state === 'stop' && !machine.ends) throw new Error('k3s has not ended: process 71');
        if (state === 'stop') await phases.set('a1', stoppedState(phases.get('a1')));
        return { kind: 'done' };
      },
      failed: async ({ state }: K3sSpec, error: string) => void told.push(`${state}: ${error}`),
    };
    const ports = { timers, files, clock: new ManualClock(), random: { unit: () => 0 }, log: silentLog };
    const paths = { dataDir: '/data' };
    const modules = new Modules({ ports, driver, phases, paths, stateDir: '/state' } as unknown as ModulesDeps);
    await modules.start(cached);
    const round = async () => {
      const now = [...due];
      due.clear();
      for (const act of now) act();
      for (let i = 0; i < 100; i++) await Promise.resolve();
    };
    return { modules, round };
  };
  return { agent, told, rounds, machine };
};

it('tells from the second failure on that what nobody assigns any more cannot be stopped, once', async () => {
  const { agent, told } = node();
  const { modules, round } = await agent();
  modules.apply(items(spec));
  await round();
  modules.apply(new Map());
  await round();
  expect(told).toEqual([]);
  await round();
  await round();
  expect(told).toEqual(['stop: k3s has not ended: process 71']);
});

it('tells it again when it was assigned meanwhile and is to go once more, though the words are the same', async () => {
  const { agent, told } = node();
  const { modules, round } = await agent();
  modules.apply(items(spec));
  await round();
  for (let n = 0; n < 2; n++) {
    modules.apply(new Map());
    for (let i = 0; i < 3; i++) await round();
    modules.apply(items(spec));
  }
  expect(told).toEqual(Array.from({ length: 2 }, () => 'stop: k3s has not ended: process 71'));
});

it('goes on stopping it when the agent begins anew, though the platform names it no more, until it has ended', async () => {
  const { agent, rounds, machine } = node();
  const first = await agent();
  first.modules.apply(items(spec));
  await first.round();
  first.modules.apply(new Map());
  await first.round();
  const second = await agent();
  second.modules.apply(new Map());
  machine.ends = true;
  await second.round();
  expect(rounds).toEqual(['run', 'stop', 'stop']);
  const third = await agent();
  third.modules.apply(new Map());
  await third.round();
  expect(rounds).toHaveLength(3);
});

it('runs what is assigned again before it had ended, also in the next life of the agent', async () => {
  const { agent, rounds } = node();
  const first = await agent();
  first.modules.apply(items(spec));
  await first.round();
  first.modules.apply(new Map());
  await first.round();
  first.modules.apply(items(spec));
  await first.round();
  const second = await agent();
  second.modules.apply(items(spec));
  await second.round();
  expect(rounds).toEqual(['run', 'stop', 'run', 'run']);
});

it('runs what is assigned again while that it was to go is still being written, also in the next life of the agent', async () => {
  const { agent, rounds, machine } = node();
  const first = await agent();
  first.modules.apply(items(spec));
  await first.round();
  let written: () => void = () => undefined;
  machine.writing = new Promise((resolve) => (written = resolve));
  first.modules.apply(new Map());
  first.modules.apply(items(spec));
  written();
  await first.round();
  const second = await agent();
  await second.round();
  expect(rounds).toEqual(['run', 'run']);
});

it('runs what the platform named last though a full disk still says that it was to go', async () => {
  const { agent, rounds, machine } = node();
  const first = await agent();
  first.modules.apply(items(spec));
  await first.round();
  first.modules.apply(new Map());
  await first.round();
  machine.full = true;
  first.modules.apply(items(spec));
  await first.round();
  const second = await agent(items(spec));
  await second.round();
  second.modules.apply(items(spec));
  await second.round();
  expect(rounds).toEqual(['run', 'stop', 'run', 'run']);
});
