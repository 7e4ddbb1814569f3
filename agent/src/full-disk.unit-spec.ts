import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemRandom } from '#kernel';
import { systemFiles } from './adapters/files.js';
import { DockerState } from './docker/docker-state.js';
import { IdentityStore } from './identity/identity-store.js';
import { PhaseStore } from './k3s/phase-state.js';
import type { Files, Processes } from './ports.js';
import { forgetPid, livePid, rememberPid } from './services/pid-file.js';
import { emptyDesired } from './session/desired-state.js';
import { DesiredStore } from './session/desired-store.js';

let folder: string;
let full: boolean;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-agent-full-'));
  full = false;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const files: Files = {
  ...systemFiles,
  write: async (path, data, mode) => {
    if (full) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return systemFiles.write(path, data, mode);
  },
};

describe('a file that cannot be written', () => {
  it('keeps what it had, is named, and leaves nothing half written beside it', async () => {
    await mkdir(join(folder, 'taken'));
    await writeFile(join(folder, 'taken/inside'), 'x');
    const path = join(folder, 'taken');
    await expect(systemFiles.write(path, 'new')).rejects.toThrow(path);
    await writeFile(join(folder, 'program'), 'x');
    await expect(systemFiles.installExecutable(join(folder, 'program'), path)).rejects.toThrow(path);
    await expect(systemFiles.link('somewhere', path)).rejects.toThrow(path);
    expect((await readdir(folder)).sort()).toEqual(['program', 'taken']);
  });
});

describe('what an agent noted on a full disk', () => {
  it('is not taken for noted: the next life of the agent would not know it', async () => {
    const phases = new PhaseStore(files, join(folder, 'phases.json'));
    const docker = new DockerState(files, join(folder, 'docker.json'));
    await phases.set('a', { installing: true });
    full = true;
    await expect(phases.set('a', { dataId: 'id-1' })).rejects.toThrow(/ENOSPC/);
    await expect(docker.set({ started: 'x' })).rejects.toThrow(/ENOSPC/);
    expect([phases.get('a').dataId, docker.get().started]).toEqual(['', '']);
    full = false;
    await Promise.all([phases.set('a', { dataId: 'id-2' }), phases.set('b', { ready: true })]);
    const later = new PhaseStore(files, join(folder, 'phases.json'));
    await later.load();
    expect(later.get('a')).toMatchObject({ installing: true, dataId: 'id-2' });
    expect(later.get('b').ready).toBe(true);
  });

  it('holds up no session: its number grows in this boot also where it cannot be written', async () => {
    const faults: unknown[] = [];
    const start = (store: IdentityStore, uptimeMs: number) => store.nextStart(uptimeMs, (error) => faults.push(error));
    const store = new IdentityStore(files, folder);
    const before = await start(store, 5);
    full = true;
    const [first, second] = [await start(store, 9_000), await start(store, 9_000)];
    const afterwards = await start(new IdentityStore(files, folder), 20_000);
    expect([first > before, second > first, afterwards > second]).toEqual([true, true, true]);
    expect(faults).toHaveLength(3);
    full = false;
    expect([await start(store, 30_000), faults.length]).toEqual([second + 1n, 3]);
  });

  it('is no number of the time where it can be: a copy of the folder would get ahead of its original for ever, and that of it', async () => {
    const [one, other] = [join(folder, 'original'), join(folder, 'copy')];
    const [original, copy] = [new IdentityStore(files, one), new IdentityStore(files, other)];
    const unsaved: unknown[] = [];
    const start = (store: IdentityStore, uptimeMs: number) => store.nextStart(uptimeMs, (error) => unsaved.push(error));
    expect(await start(original, 50_000)).toBe(1n);
    await cp(one, other, { recursive: true });
    // Not higher than the copy's: the platform asks both whether they are alone.
    expect([await start(copy, 60_000), await start(original, 70_000), unsaved]).toEqual([2n, 2n, []]);
  });

  it('is the platform’s newest word as soon as there is room, and never after the folder is gone', async () => {
    const due: (() => void)[] = [];
    const timers = { after: (_: number, run: () => void) => (due.push(run), () => due.splice(due.indexOf(run), 1)) };
    const ports = { files, log: silentLog, random: systemRandom, timers: timers as never };
    const store = new DesiredStore(ports, join(folder, 'desired.json'));
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    const storedEpoch = async () => (await new DesiredStore(ports, join(folder, 'desired.json')).load()).storeEpoch;
    full = true;
    store.save({ ...emptyDesired, storeEpoch: 'e1' });
    await settled();
    expect(due).toHaveLength(1);
    full = false;
    due.shift()!();
    while ((await storedEpoch()) !== 'e1') await settled();
    full = true;
    store.save({ ...emptyDesired, storeEpoch: 'e2' });
    await settled();
    store.close();
    expect(due).toEqual([]);
  });

  it('is the platform’s newest word also when the agent is told to stop, which does not wait for room', async () => {
    const due: (() => void)[] = [];
    const timers = { after: (_: number, run: () => void) => (due.push(run), () => due.splice(due.indexOf(run), 1)) };
    const open = (name: string) =>
      new DesiredStore({ files, log: silentLog, random: systemRandom, timers: timers as never }, join(folder, name));
    const storedEpoch = async (name: string) => (await open(name).load()).storeEpoch;
    const busy = open('busy.json');
    busy.save({ ...emptyDesired, storeEpoch: 'e1' });
    busy.save({ ...emptyDesired, storeEpoch: 'e2' });
    await busy.finish();
    expect(await storedEpoch('busy.json')).toBe('e2');
    const late = open('late.json');
    full = true;
    late.save({ ...emptyDesired, storeEpoch: 'e3' });
    while (due.length === 0) await new Promise((resolve) => setImmediate(resolve));
    full = false;
    await late.finish();
    expect([await storedEpoch('late.json'), due]).toEqual(['e3', []]);
    const never = open('never.json');
    full = true;
    never.save({ ...emptyDesired, storeEpoch: 'e4' });
    await never.finish();
    expect([await storedEpoch('never.json'), due]).toEqual(['', []]);
  });

  it('does not keep an agent from stopping while the disk hangs, and what is lost is told', async () => {
    const due: (() => void)[] = [];
    const timers = { after: (_: number, run: () => void) => (due.push(run), () => due.splice(due.indexOf(run), 1)) };
    const told: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void told.push(fields) };
    let hangs = false;
    let writes = 0;
    const write: Files['write'] = async (...args) => {
      writes++;
      if (hangs) await new Promise<void>(() => undefined);
      await files.write(...args);
    };
    const path = join(folder, 'desired.json');
    const ports = { files: { ...files, write }, log, random: systemRandom, timers: timers as never };
    const store = new DesiredStore(ports, path);
    const section = (generation: bigint) => ({ generation, hash: `h${generation}`, items: new Map() });
    const say = (modules: bigint, network: bigint) => {
      const sections = new Map(Object.entries({ modules: section(modules), 'network/a': section(network) }));
      store.save({ storeEpoch: 'e1', sections });
    };
    say(3n, 7n);
    // Its write begins when the one before has ended.
    say(4n, 7n);
    while (writes < 2) await new Promise((resolve) => setImmediate(resolve));
    hangs = true;
    say(5n, 7n);
    while (writes < 3) await new Promise((resolve) => setImmediate(resolve));
    const finished = store.finish();
    expect(told).toEqual([]);
    due[0]!();
    await finished;
    expect(told).toEqual([{ path, waited_ms: 5_000, lost: ['modules: 5, not 4'] }]);
  });

  it('stays away from a folder that is taken away, also when the agent is told to stop meanwhile', async () => {
    const ports = { files, log: silentLog, random: systemRandom, timers: { after: () => () => undefined } as never };
    const store = new DesiredStore(ports, join(folder, 'desired.json'));
    store.close();
    store.save({ ...emptyDesired, storeEpoch: 'e1' });
    await store.finish();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is the pid of a program all the same: it is not started beside itself, and is written down later', async () => {
    const processes = { startTime: async () => '1' } as unknown as Processes;
    const due: (() => void)[] = [];
    const timers = { after: (_: number, run: () => void) => (due.push(run), () => undefined) } as never;
    const ports = { files, processes, timers };
    const path = join(folder, 'k3s.pid');
    full = true;
    await rememberPid(ports, path, 7);
    expect([await livePid(ports, path), await readdir(folder)]).toEqual([7, []]);
    full = false;
    due.shift()!();
    while (!(await readdir(folder)).includes('k3s.pid')) await new Promise((resolve) => setImmediate(resolve));
    expect([await livePid(ports, path), due]).toEqual([7, []]);
    await forgetPid(ports, path);
    expect(await livePid(ports, path)).toBeUndefined();
  });
});
