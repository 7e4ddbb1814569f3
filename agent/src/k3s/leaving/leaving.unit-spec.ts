import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { leavingMachine } from '../../testing/leaving-machine.js';
import type { PhaseStore } from '../phase-state.js';
import { podProcesses } from './pods.js';

const OURS = '# written by drover-agent\n';
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'drover-agent-leaving-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const put = async (path: string, text = ''): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
};
const left = async (): Promise<string[]> =>
  (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.startsWith('state/'))
    .sort();

/** A worker that Drover made, as it is after some weeks. */
const worker = async (phases: PhaseStore) => {
  await phases.set('a', { installing: true, started: 'x', dataId: 'id-1', formerIds: ['id-0'], ready: true });
  await put('var/lib/rancher/k3s/drover-data', 'id-1');
  await put('var/lib/rancher/k3s/agent/containerd/state.db');
  await put('var/lib/rancher/k3s.set-aside/server/old.db');
  await put('var/lib/rancher/k3s.set-aside/drover-data', 'id-0');
  await put('var/lib/kubelet/pods/p1/volumes/token');
  await put('var/lib/cni/networks/cbr0/10.42.0.3');
  await put('var/lib/cni/results/cbr0-abc-eth0', '{"netns":"/var/run/netns/cni-1"}');
  await put('run/k3s/containerd/containerd.sock.ttrpc');
  await put('run/flannel/subnet.env');
  await put('etc/rancher/k3s/config.yaml', OURS);
  await put('etc/rancher/k3s/k3s.yaml', 'apiVersion: v1');
  await put('etc/rancher/node/password', 'x');
  await put('etc/systemd/system/k3s-agent.service', OURS);
  await put('etc/systemd/system/k3s-agent.service.d/override.conf', OURS);
  await put('var/lib/drover-agent/k3s/0abc/k3s');
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
  await symlink(join(root, 'var/lib/drover-agent/k3s/0abc/k3s'), join(root, 'usr/local/bin/k3s'));
};
const operators = async () => {
  await put('etc/rancher/k3s/registries.yaml', 'mirrors: {}');
  await put('etc/systemd/system/k3s-agent.service.d/proxy.conf', '[Service]\nEnvironment=HTTPS_PROXY=x\n');
  await put('var/lib/cni/networks/podman/10.88.0.2');
  await put('usr/local/bin/kubectl');
};
const OPERATORS = [
  'etc/rancher/k3s/registries.yaml',
  'etc/systemd/system/k3s-agent.service.d/proxy.conf',
  'usr/local/bin/kubectl',
  'var/lib/cni/networks/podman/10.88.0.2',
];

const LINKS = JSON.stringify([
  { ifname: 'eth0' },
  { ifname: 'cni0' },
  { ifname: 'flannel.1' },
  { ifname: 'veth1', master: 'cni0', link_netns: 'cni-2' },
  { ifname: 'veth2', master: 'cni0', link_netnsid: 4 },
  { ifname: 'podman0' },
]);
const NETWORK = { 'ip -j': LINKS, 'ip netns list': 'cni-1 (id: 0)\ncni-2\ncni-3 (id: 3)\ncni-4 (id: 4)\nother' };

it('takes away what Drover and its K3s made, and names the operator’s files that stay', async () => {
  const { leaving, phases, ran } = await leavingMachine(root, {
    mounts: ['run/k3s/x/rootfs', 'run/k3s'],
    says: NETWORK,
  });
  await worker(phases);
  await operators();
  const told = await leaving.remove(false);
  expect(await left()).toEqual(OPERATORS);
  expect(told.left.map((text) => text.replace(`${root}/`, ''))).toEqual([
    'etc/systemd/system/k3s-agent.service.d/proxy.conf: not written by drover-agent',
    'etc/rancher/k3s/registries.yaml: an operator’s',
  ]);
  expect(told.removed).toEqual(expect.arrayContaining(['2 mounts', 'cni0', 'flannel.1']));
  // What lies upon another is unmounted first, and before anything is deleted that could be seen through it.
  expect(ran.filter((line) => line.startsWith('umount')).map((line) => line.replace(`${root}/`, ''))).toEqual([
    'umount -f run/k3s/x/rootfs',
    'umount -f run/k3s',
  ]);
  // Another engine's namespace with the like name stays.
  expect(ran.filter((line) => line.startsWith('ip netns delete'))).toEqual([
    'ip netns delete cni-1',
    'ip netns delete cni-2',
    'ip netns delete cni-4',
  ]);
  expect(ran).not.toContain('ip link delete podman0');
});

it('can be done again at any point: what a first try left, the next one finds', async () => {
  const { leaving, phases } = await leavingMachine(root, { network: false });
  await worker(phases);
  await leaving.remove(false);
  await put('var/lib/rancher/k3s/drover-data', 'id-1');
  await put('var/lib/rancher/k3s/agent/rest');
  expect((await leaving.remove(false)).left).toEqual([]);
  expect(await left()).toEqual([]);
  expect(await leaving.remove(false)).toEqual({ removed: expect.any(Array), left: [] });
});

it('never deletes what a file system holds that could not be unmounted, or that an operator mounted', async () => {
  const mounts = ['var/lib/kubelet/pods/p1/volumes/nfs', 'var/lib/rancher/k3s/storage'];
  const { leaving, phases } = await leavingMachine(root, { mounts, fails: /^umount/, network: false });
  await worker(phases);
  await put('var/lib/kubelet/pods/p1/volumes/nfs/data');
  await put('var/lib/rancher/k3s/storage/pv-1/data');
  const told = await leaving.remove(false);
  const kept = ['var/lib/kubelet/pods/p1/volumes/nfs/data', 'var/lib/rancher/k3s/storage/pv-1/data'];
  expect(await left()).toEqual(kept.sort());
  expect(told.left.join('\n')).toMatch(
    /nfs: a file system is mounted there[\s\S]*storage: a file system is mounted there/,
  );
});

it('keeps the data of a machine that was given up, and ends its pods', async () => {
  const { leaving, phases, ran } = await leavingMachine(root, { says: NETWORK });
  await worker(phases);
  const told = await leaving.remove(true);
  expect(await left()).toEqual(
    expect.arrayContaining(['var/lib/rancher/k3s/drover-data', 'var/lib/rancher/k3s/agent/containerd/state.db']),
  );
  expect(await left()).not.toContain('etc/systemd/system/k3s-agent.service.d/override.conf');
  expect(told.left.join()).toContain('its data are kept');
  expect(ran).toContain('ip link delete cni0');
});

describe('a K3s that an operator installed', () => {
  it.each([
    ['by its unit', 'etc/systemd/system/k3s.service', '[Service]\nExecStart=/usr/local/bin/k3s server\n'],
    [
      'by a unit of another name',
      'etc/systemd/system/k3s-edge.service',
      '[Service]\nExecStart=/opt/k3s \\\n    agent\n',
    ],
    ['by the mark that is not there', 'var/lib/rancher/k3s/server/node-token', 'x'],
  ])('is known %s, and left alone with all that belongs to it', async (_, path, text) => {
    const { leaving, phases, ran } = await leavingMachine(root, { says: NETWORK });
    await phases.set('a', { installing: true, dataId: 'id-1' });
    await put(path, text);
    await put('var/lib/kubelet/pods/p1/volumes/token');
    const before = await left();
    const told = await leaving.remove(false);
    expect(await left()).toEqual(before);
    expect(told.left.join()).toContain(join(root, path.startsWith('var') ? 'var/lib/rancher/k3s' : path));
    expect(ran.filter((line) => /^(ip|umount|iptables)/.test(line))).toEqual([]);
  });

  it('is not looked for where no K3s ever ran for this instance', async () => {
    const { leaving, ran } = await leavingMachine(root, { says: NETWORK });
    await put('var/lib/kubelet/config.yaml');
    expect(await leaving.remove(false)).toEqual({ removed: [], left: [] });
    expect(ran).toEqual([]);
  });
});

it('does everything else when one thing fails, and says what failed', async () => {
  const { leaving, phases } = await leavingMachine(root, { fails: /^ip -j/, says: NETWORK });
  await worker(phases);
  const told = await leaving.remove(false);
  expect(await left()).toEqual([]);
  expect(told.left.join()).toMatch(/links: ip -j -d link show: device or resource busy/);
});

it('ends the shims of this K3s and what runs below them, and no other containerd’s', () => {
  const shim = '/var/lib/rancher/k3s/data/0ab/bin/containerd-shim-runc-v2';
  const all = [
    { pid: 10, parent: 1, program: shim },
    { pid: 11, parent: 10, program: '/pause' },
    { pid: 12, parent: 11, program: 'sh' },
    { pid: 20, parent: 1, program: '/usr/bin/containerd-shim-runc-v2' },
    { pid: 21, parent: 20, program: 'postgres' },
    { pid: 30, parent: 1, program: `${shim}/not` },
    { pid: 31, parent: 1, program: `/bin/cat ${shim}` },
  ];
  expect([...podProcesses(all, '/var/lib/rancher/k3s')].sort()).toEqual([10, 11, 12]);
});

describe('logs of pods', () => {
  it('go with their pods, and with the links to them; those of others and an operator’s stay', async () => {
    const { leaving, phases } = await leavingMachine(root, { network: false });
    await worker(phases);
    await put('var/log/pods/default_web_p1/web/0.log');
    await put('var/log/pods/default_old_of-before/web/0.log');
    await put('var/log/app.log');
    await mkdir(join(root, 'var/log/containers'));
    const link = (name: string, to: string) => symlink(join(root, to), join(root, 'var/log/containers', name));
    await link('web.log', 'var/log/pods/default_web_p1/web/0.log');
    await link('old.log', 'var/log/pods/default_old_of-before/web/0.log');
    await link('app.log', 'var/log/app.log');
    const told = await leaving.remove(false);
    expect((await left()).filter((path) => path.startsWith('var/log'))).toEqual([
      'var/log/app.log',
      'var/log/containers/app.log',
      'var/log/containers/old.log',
      'var/log/pods/default_old_of-before/web/0.log',
    ]);
    expect(told.removed).toContain('logs of 1 pods');
    expect(told.left).toEqual([`${join(root, 'var/log/pods')}: 1 of no pod that is here, as default_old_of-before`]);
  });

  it('stay where the data stay, and where a link leads elsewhere', async () => {
    const { leaving, phases } = await leavingMachine(root, { network: false });
    await worker(phases);
    await put('disk/default_web_p1/web/0.log');
    await mkdir(join(root, 'var/log'));
    await symlink(join(root, 'disk'), join(root, 'var/log/pods'));
    await leaving.remove(true);
    const told = await leaving.remove(false);
    expect(await left()).toContain('disk/default_web_p1/web/0.log');
    expect(told.left.join()).toMatch(/logs of pods: a link leads to/);
  });
});

it('destroys the address sets of Kubernetes, the inner ones after the outer, and names one that is in use', async () => {
  const says = { ...NETWORK, 'ipset list -n': 'KUBE-SRC-1\ninet6:KUBE-DST-2\nmine\n' };
  const { leaving, phases, ran } = await leavingMachine(root, { says });
  await worker(phases);
  expect((await leaving.remove(false)).removed).toContain('2 address sets of kube-proxy and network policies');
  const destroyed = ran.filter((line) => line.startsWith('ipset destroy'));
  expect(destroyed).toEqual(['ipset destroy KUBE-SRC-1', 'ipset destroy inet6:KUBE-DST-2']);
  const busy = await leavingMachine(root, { says, fails: /^ipset destroy KUBE/ });
  await worker(busy.phases);
  expect((await busy.leaving.remove(false)).left).toContain('address sets: in use: KUBE-SRC-1');
});
