import { ManualClock, silentLog } from '#kernel';
import { agentV1, type DockerSpec } from '#proto';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { SystemdManager } from '../services/systemd-manager.js';
import { Docker, dockerPaths } from './docker.js';

const spec: DockerSpec = {
  ...{ assignment_id: 'a', state: 'run', reason: '', node_name: 'w1', address: 'fd00::1', port: 2376 },
  ...{ binary: 'dockerd', daemon_options: {} },
};
const item = (value: DockerSpec) => new Map([['engine', Buffer.from(JSON.stringify(value))]]);

/** A node on which somebody else's dockerd runs, or none; what was done to the service, and what the platform was told. */
const node = async (operators: boolean, state: object = {}) => {
  const machine = { runs: operators };
  const timed = new Set<() => void>();
  const did: string[] = [];
  const told: agentV1.ReportPhaseRequest[] = [];
  const kept = new Map([['/state/docker.json', JSON.stringify(state)]]);
  const services = {
    ensure: async () => void did.push('start'),
    restart: async () => void did.push('restart'),
    stop: async () => void did.push('stop'),
    remove: async () => (did.push('remove'), ['/etc/systemd/system/docker.service.d/proxy.conf']),
    status: async () => ({ running: machine.runs, detail: '' }),
  } as unknown as ServiceManager;
  const ports = {
    files: {
      read: async (path: string) => (kept.has(path) ? Buffer.from(kept.get(path)!) : undefined),
      write: async (path: string, text: string) => void kept.set(path, text),
      remove: async (path: string) => void kept.delete(path),
      removeIfEmpty: async () => undefined,
    },
    processes: { run: async () => ({ code: 0, stdout: 'Docker version 27', stderr: '' }) },
    http: {
      getLocal: async () => {
        if (machine.runs) return { status: 200, body: '{"Version":"20.10"}' };
        throw new Error('connect ENOENT');
      },
    },
    timers: { after: (_ms: number, act: () => void) => (timed.add(act), () => void timed.delete(act)) },
    ...{ clock: new ManualClock(), random: { unit: () => 0 }, log: silentLog },
  } as unknown as AgentPorts;
  const report = async (request: agentV1.ReportPhaseRequest) => {
    told.push(request);
    return agentV1.ReportPhaseResponse.fromPartial({ result: { $case: 'ack', value: {} } });
  };
  const docker = new Docker({ ports, services, paths: dockerPaths('/'), stateDir: '/state', report });
  await docker.start();
  // The certificate is another story: this one is of whose engine it is.
  Object.assign(docker, { certify: async () => undefined });
  const round = async (wanted: DockerSpec) => {
    docker.apply(item(wanted));
    const due = [...timed];
    timed.clear();
    for (const act of due) act();
    for (let i = 0; i < 200; i++) await Promise.resolve();
  };
  return { round, did, told, kept, docker, machine };
};

describe('a dockerd that was there before Drover', () => {
  it('is neither taken over nor called ready, and the operator is told what to do', async () => {
    const { round, did, told } = await node(true);
    await round(spec);
    expect(did).toEqual([]);
    expect(told.map((t) => t.phase)).toEqual([agentV1.Phase.PHASE_INSTALLING, agentV1.Phase.PHASE_FAILED]);
    expect(told.at(-1)!.error).toMatch(/did not start runs here.*left alone/);
  });

  it('is not stopped when the module that never got it is taken away', async () => {
    const { round, did, told } = await node(true, { assignment: 'a', life: 1, installing: true });
    await round({ ...spec, state: 'stop', reason: 'unassigned' });
    expect(did).toEqual([]);
    expect(told.map((t) => t.phase)).toEqual([agentV1.Phase.PHASE_STOPPED]);
  });
});

it('starts an engine where there is none, and stops what it started', async () => {
  const { round, did } = await node(false);
  await round(spec);
  expect(did).toEqual(['start']);
  await round({ ...spec, state: 'stop', reason: 'unassigned' });
  expect(did).toEqual(['start', 'remove']);
});

it('tells that an engine that had failed is there again, each time, also of the same version and after a restart', async () => {
  const { round, told, machine, did } = await node(false);
  const { PHASE_INSTALLING, PHASE_FAILED, PHASE_READY } = agentV1.Phase;
  for (const runs of [false, true, true, false, false, true]) {
    machine.runs = runs;
    await round(spec);
  }
  const phases = [PHASE_INSTALLING, PHASE_FAILED, PHASE_READY, PHASE_FAILED, PHASE_READY];
  expect(told.map((t) => t.phase)).toEqual(phases);
  await round({ ...spec, daemon_options: { debug: true } });
  expect(did).toContain('restart');
  expect(told.map((t) => t.phase)).toEqual([...phases, PHASE_READY]);
  // None is taken for a repeat of another.
  expect(new Set(told.map((t) => t.requestId)).size).toBe(6);
});

const OURS = ['key.pem', 'cert.pem', 'client-ca.pem', 'daemon.json'].map((name) => `/etc/docker/drover/${name}`);

it('takes its unit, configuration and key along when it leaves, and starts anew with others when it comes back', async () => {
  const { round, did, kept, told } = await node(false);
  kept.set('/etc/docker/daemon.json', '{"debug":true}');
  await round(spec);
  for (const path of OURS) kept.set(path, kept.get(path) ?? 'of before');
  await round({ ...spec, state: 'stop', reason: 'decommissioned' });
  expect([...kept.keys()]).toEqual(['/state/docker.json', '/etc/docker/daemon.json']);
  await round(spec);
  expect(did).toEqual(['start', 'remove', 'start']);
  expect(JSON.parse(kept.get('/etc/docker/drover/daemon.json')!)).toMatchObject({ debug: true, tlsverify: true });
  // Another life: what it says is not taken for a repeat of what it said before.
  const begun = told.filter((t) => t.phase === agentV1.Phase.PHASE_INSTALLING).map((t) => t.requestId);
  expect(new Set(begun).size).toBe(2);
});

it('leaves an engine alone that it did not start, also when the instance ends, and names the files of others', async () => {
  const own = await node(false);
  await own.round(spec);
  expect(await own.docker.remove()).toEqual([
    '/etc/systemd/system/docker.service.d/proxy.conf: not written by drover-agent',
  ]);
  const others = await node(true, { assignment: 'a', life: 1, installing: true });
  expect(await others.docker.remove()).toEqual([]);
  expect(others.did).toEqual([]);
});

it('neither stops nor overwrites a systemd unit that somebody else wrote', async () => {
  const ran: string[] = [];
  const written: string[] = [];
  const manager = new SystemdManager({
    files: {
      read: async () => Buffer.from('[Service]\nExecStart=/usr/bin/dockerd\n'),
      write: async (path: string) => void written.push(path),
    },
    processes: {
      run: async (_: string, argv: readonly string[]) => (
        ran.push(argv.join(' ')),
        { code: 0, stdout: '', stderr: '' }
      ),
    },
  } as never);
  await manager.stop('docker');
  const service = { name: 'docker', description: '', command: 'dockerd', args: [], env: {} };
  await expect(manager.ensure(service)).rejects.toThrow('not written by drover-agent');
  expect({ ran, written }).toEqual({ ran: [], written: [] });
});

it('waits for a round that is under way before it takes its things away', async () => {
  const { round, did, docker } = await node(false);
  let go = (): void => undefined;
  Object.assign(docker, { launch: () => new Promise<void>((resolve) => (go = () => (did.push('start'), resolve()))) });
  await round(spec);
  Object.assign((docker as unknown as { state: { get(): object } }).state.get(), { started: 'x' });
  const gone = docker.remove();
  for (let i = 0; i < 50; i++) await Promise.resolve();
  expect(did).toEqual([]);
  go();
  for (let i = 0; i < 50; i++) await Promise.resolve();
  await round(spec);
  await gone;
  expect(did).toEqual(['start', 'remove']);
});
