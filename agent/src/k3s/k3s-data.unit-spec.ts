import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { seededRandom, silentLog } from '#kernel';
import { systemFiles as files } from '../adapters/files.js';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { K3sData, stoppedState } from './k3s-data.js';
import { k3sPaths } from './paths.js';
import { knownIds, PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';

const spec = { kind: 'k3s_agent', assignment_id: 'a' } as unknown as K3sSpec;
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'drover-agent-data-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const put = async (path: string, text = 'x'): Promise<void> => {
  const place = join(root, 'var/lib/rancher', path);
  await mkdir(dirname(place), { recursive: true });
  await writeFile(place, text);
};
const folders = () => readdir(join(root, 'var/lib/rancher'));

const node = () => {
  const phases = new PhaseStore(files, join(root, 'state/phases.json'));
  const services = { stop: async () => undefined } as unknown as ServiceManager;
  const ports = { files, log: silentLog, random: seededRandom(1) } as unknown as AgentPorts;
  const data = new K3sData({ ports, services, phases, paths: k3sPaths(root) });
  /** What a round does with the folder, until K3s starts. */
  const round = async () => {
    if (phases.get('a').stopped) await data.revive(spec);
    await data.settleWorker(spec);
    await data.own(spec, 'cluster-1');
  };
  return { phases, data, round };
};

describe('a worker', () => {
  it.each(['agent/kubelet.kubeconfig', 'server/db/state.db', 'storage/pvc-1_default_db/data'])(
    'does not take over the folder of another K3s, which is known by %s',
    async (path) => {
      await put(`k3s/${path}`);
      const { round } = node();
      await expect(round()).rejects.toThrow(/did not start; move them away first/);
      expect(await readdir(join(root, 'var/lib/rancher/k3s'))).toEqual([path.split('/')[0]]);
    },
  );

  it('sets the data of an earlier instance aside, with its mark', async () => {
    await put('k3s/drover-data', 'of before');
    await put('k3s/agent/containerd/state.db');
    const { round, phases } = node();
    await round();
    expect(await folders()).toEqual(['k3s', 'k3s.set-aside']);
    expect(await readdir(join(root, 'var/lib/rancher/k3s'))).toEqual(['drover-data']);
    expect(String(await files.read(join(root, 'var/lib/rancher/k3s.set-aside/drover-data')))).toBe('of before');
    expect([...knownIds(phases)]).toEqual([phases.get('a').dataId]);
  });

  it('starts where an operator laid down images before, and goes on with its own folder after a stop', async () => {
    await put('k3s/agent/images/all.tar');
    const { round, phases } = node();
    await round();
    await put('k3s/agent/kubelet.kubeconfig');
    await phases.set('a', stoppedState(phases.get('a')));
    const before = phases.get('a').dataId;
    await round();
    expect([phases.get('a').dataId, await folders()]).toEqual([before, ['k3s']]);
  });
});

it('is not restored into what another instance left, whatever it left', async () => {
  await put('k3s/drover-data', 'of before');
  await put('k3s/storage/other-provisioner/data');
  await expect(node().data.mayTakeOver('a')).rejects.toThrow(/move them away first/);
});

describe('what was set aside before', () => {
  const aside = async (mark: string | undefined, volume: boolean) => {
    await put('k3s.set-aside/old');
    if (mark !== undefined) await put('k3s.set-aside/drover-data', mark);
    if (volume) await put('k3s.set-aside/storage/pvc-1/data');
    const { data, phases } = node();
    await phases.set('a', { dataId: 'id-2', formerIds: ['id-1'] });
    await put('k3s/drover-data', 'id-2');
    await data.yieldTo(spec);
    expect(phases.get('a').formerIds).toEqual(['id-1', 'id-2']);
    return folders();
  };

  it('makes room where this instance did it and no volume is in it', async () => {
    expect(await aside('id-1', false)).toEqual(['k3s.set-aside']);
  });

  it.each([
    [undefined, false],
    ['of another', false],
    ['id-1', true],
  ])('stays otherwise (mark %s, volumes %s)', async (mark, volume) => {
    expect(await aside(mark, volume)).toEqual(['k3s.set-aside', 'k3s.set-aside-2']);
  });
});
