import { ManualClock, silentLog } from '#kernel';
import { agentV1, type DockerSpec } from '#proto';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { Docker, dockerPaths } from './docker.js';

const spec: DockerSpec = {
  ...{ assignment_id: 'a', state: 'run', reason: '', node_name: 'w1', address: 'fd00::1', port: 2376 },
  ...{ binary: 'dockerd', daemon_options: {} },
};
const assigned = new Map([['engine', Buffer.from(JSON.stringify(spec))]]);
const STATE = '/state/docker.json';

/** A node whose Docker was started by Drover, runs and cannot be stopped; its disk outlives its agents. */
const node = () => {
  const kept = new Map([[STATE, JSON.stringify({ assignment: 'a', life: 1, installing: true, started: 'x' })]]);
  const machine = { full: false, writing: Promise.resolve() };
  const told: string[] = [];
  const stops: string[] = [];
  const agent = async (cached?: ReadonlyMap<string, Uint8Array>) => {
    const due = new Set<() => void>();
    const ports = {
      files: {
        read: async (path: string) => (kept.has(path) ? Buffer.from(kept.get(path)!) : undefined),
        write: async (path: string, text: string) => {
          await machine.writing;
          if (machine.full) throw new Error('ENOSPC: no space left on device');
          kept.set(path, text);
        },
      },
      processes: { run: async () => ({ code: 0, stdout: 'Docker version 27', stderr: '' }) },
      http: { getLocal: async () => ({ status: 200, body: '{"Version":"27"}' }) },
      timers: { after: (_: number, act: () => void) => (due.add(act), () => void due.delete(act)) },
      ...{ clock: new ManualClock(), random: { unit: () => 0 }, log: silentLog },
    } as unknown as AgentPorts;
    const services = {
      ensure: async () => undefined,
      restart: async () => undefined,
      remove: async () => {
        stops.push('stop');
        throw new Error('docker has not ended: process 71');
      },
    } as unknown as ServiceManager;
    const report = async ({ phase, stopping }: agentV1.ReportPhaseRequest) => {
      if (phase === agentV1.Phase.PHASE_FAILED) told.push(stopping ? 'cannot be stopped' : 'cannot be started');
      return agentV1.ReportPhaseResponse.fromPartial({ result: { $case: 'ack', value: {} } });
    };
    const docker = new Docker({ ports, services, paths: dockerPaths('/'), stateDir: '/state', report });
    // The certificate and the configuration are another story.
    Object.assign(docker, { certify: async () => undefined, launch: async () => undefined });
    await docker.start(cached);
    const round = async () => {
      const now = [...due];
      due.clear();
      for (const act of now) act();
      for (let i = 0; i < 100; i++) await Promise.resolve();
    };
    return { docker, round };
  };
  return { agent, machine, told, stops };
};

it('tells a second time that it cannot be stopped when it was assigned meanwhile, though the words are the same', async () => {
  const { agent, told } = node();
  const { docker, round } = await agent();
  docker.apply(assigned);
  await round();
  for (let n = 0; n < 2; n++) {
    docker.apply(new Map());
    for (let i = 0; i < 3; i++) await round();
    docker.apply(assigned);
  }
  expect(told).toEqual(['cannot be stopped', 'cannot be stopped']);
});

it('runs what is assigned again while that it was to go is still being written, also in the next life of the agent', async () => {
  const { agent, machine, stops } = node();
  const first = await agent();
  first.docker.apply(assigned);
  await first.round();
  let written: () => void = () => undefined;
  machine.writing = new Promise((resolve) => (written = resolve));
  first.docker.apply(new Map());
  first.docker.apply(assigned);
  written();
  await first.round();
  await (await agent()).round();
  expect(stops).toEqual([]);
});

it('runs what the platform named last though a full disk still says that it was to go', async () => {
  const { agent, machine, stops } = node();
  const first = await agent();
  first.docker.apply(assigned);
  await first.round();
  first.docker.apply(new Map());
  await first.round();
  expect(stops).toHaveLength(1);
  machine.full = true;
  first.docker.apply(assigned);
  await first.round();
  await (await agent(assigned)).round();
  expect(stops).toHaveLength(1);
  // Where the platform named it no more, what was noted counts.
  await (await agent(new Map())).round();
  expect(stops).toHaveLength(2);
});
