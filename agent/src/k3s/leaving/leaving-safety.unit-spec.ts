import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemFiles } from '../../adapters/files.js';
import { leavingMachine, type Machine } from '../../testing/leaving-machine.js';

const OURS = '# written by drover-agent\n';
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'drover-agent-safety-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const put = async (path: string, text = ''): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
};
const there = async (path: string): Promise<boolean> =>
  (await systemFiles.list(dirname(join(root, path)))).includes(path.split('/').at(-1)!);

/** A worker of ours, with its unit, its data and its pods. */
const worker = async (options: Machine = {}) => {
  const machine = await leavingMachine(root, options);
  await machine.phases.set('a', { installing: true, started: 'x', dataId: 'id-1', formerIds: ['id-0'] });
  await put('var/lib/rancher/k3s/drover-data', 'id-1');
  await put('var/lib/rancher/k3s/agent/containerd/state.db');
  await put('etc/systemd/system/k3s-agent.service', OURS);
  return machine;
};

describe('a tree that a link leads away from', () => {
  it.each(['var/lib/kubelet', 'var/lib'])('is left and named, with all that is behind %s', async (link) => {
    await put('disk/kubelet/pods/p1/volumes/nfs/data', 'precious');
    await put('disk/rancher/k3s.set-aside/drover-data', 'id-0');
    await mkdir(dirname(join(root, link)), { recursive: true });
    await symlink(join(root, link === 'var/lib' ? 'disk' : 'disk/kubelet'), join(root, link));
    const mounts = ['disk/kubelet/pods/p1/volumes/nfs'];
    const { leaving, ran } = await worker({ mounts, network: false });
    const told = await leaving.remove(false);
    expect(await readFile(join(root, 'disk/kubelet/pods/p1/volumes/nfs/data'), 'utf8')).toBe('precious');
    expect(told.left.join('\n')).toContain(`/var/lib/kubelet: a link leads to ${root}/disk/kubelet`);
    expect(ran.filter((line) => line.startsWith('umount'))).toEqual([]);
  });
});

describe('what was set aside', () => {
  it('is left where nothing says that this instance did it, and deleted where its own mark does', async () => {
    await put('var/lib/rancher/k3s.set-aside/server/db', 'of before');
    await put('var/lib/rancher/k3s.set-aside-2/drover-data', 'id-0');
    await put('var/lib/rancher/k3s.set-aside-3/drover-data', 'of another instance');
    const { leaving } = await worker({ network: false });
    const told = await leaving.remove(false);
    expect(await readdir(join(root, 'var/lib/rancher'))).toEqual(['k3s.set-aside', 'k3s.set-aside-3']);
    expect(told.left.filter((text) => text.includes('not of this instance'))).toHaveLength(2);
  });
});

describe('a K3s that does not end', () => {
  const untouched = async (ran: readonly string[]) => {
    expect(await there('var/lib/rancher/k3s/agent/containerd/state.db')).toBe(true);
    expect(ran.filter((line) => /^(umount|ip |iptables)/.test(line))).toEqual([]);
  };

  it('is given more than systemd’s 90 s, and keeps all it has while it is ending', async () => {
    const says = { 'systemctl show': 'ActiveState=deactivating\nSubState=stop-sigterm\n' };
    const { leaving, ran, bounds } = await worker({ fails: /^systemctl disable/, says });
    await expect(leaving.remove(false)).rejects.toThrow(/k3s has not ended.*k3s-agent/);
    await untouched(ran);
    expect(await there('etc/systemd/system/k3s-agent.service')).toBe(true);
    expect(bounds.get('systemctl disable --now k3s-agent.service')).toBeGreaterThan(90_000);
  });

  it('is seen by its process when no unit tells of it', async () => {
    const exe = join(root, 'var/lib/rancher/k3s/data/0ab/bin/k3s');
    const files = proc({ 7: { exe, cmdline: '/usr/local/bin/k3s agent\0', mnt: 'mnt:[1]' } });
    const { leaving, ran } = await worker({ files });
    await expect(leaving.remove(false)).rejects.toThrow(/process 7/);
    await expect(leaving.endPods()).rejects.toThrow(/process 7/);
    await untouched(ran);
  });

  it('is not an operator’s kubectl, nor the K3s of a container', async () => {
    const exe = join(root, 'var/lib/rancher/k3s/data/0ab/bin/k3s');
    const files = proc({
      7: { exe, cmdline: 'kubectl\0logs\0-f\0', mnt: 'mnt:[1]' },
      8: { exe, cmdline: '/bin/k3s server\0', mnt: 'mnt:[2]' },
    });
    const { leaving } = await worker({ files });
    expect((await leaving.remove(false)).left).toEqual([]);
  });
});

interface Proc {
  readonly exe: string;
  readonly cmdline: string;
  readonly mnt: string;
}
/** A /proc with these processes only. */
const proc = (all: Readonly<Record<number, Proc>>): NonNullable<Machine['files']> => {
  const entry = (path: string) => all[Number(path.split('/')[2])];
  return {
    list: async (path) => (path === '/proc' ? Object.keys(all) : systemFiles.list(path)),
    read: async (path) => {
      if (path === '/proc/self/mounts') return Buffer.from('');
      if (!path.startsWith('/proc/')) return systemFiles.read(path);
      return Buffer.from(path.endsWith('/stat') ? '7 (k3s) S 1 0' : (entry(path)?.cmdline ?? ''));
    },
    linkTarget: async (path) => {
      if (!path.startsWith('/proc/')) return systemFiles.linkTarget(path);
      if (path.endsWith('/ns/pid')) return 'pid:[1]';
      return path.endsWith('/exe') ? entry(path)?.exe : (entry(path)?.mnt ?? 'mnt:[1]');
    },
  };
};

it('does not end the pods of a K3s in a container, whose shims have the same name', async () => {
  const shim = join(root, 'var/lib/rancher/k3s/data/0ab/bin/containerd-shim-runc-v2');
  const files = proc({
    7: { exe: shim, cmdline: `${shim}\0`, mnt: 'mnt:[1]' },
    8: { exe: shim, cmdline: `${shim}\0`, mnt: 'mnt:[2]' },
  });
  const { leaving, killed } = await worker({ files, network: false });
  await leaving.endPods();
  expect(killed).toEqual([7]);
});

describe('another Kubernetes on the machine', () => {
  it.each([
    'var/lib/kubelet/kubeadm-flags.env',
    'etc/kubernetes/kubelet.conf',
    'var/lib/rancher/rke2/server/token',
    'usr/local/lib/systemd/system/rke2-agent.service',
    'usr/lib/systemd/system/kubelet.service',
    'etc/systemd/system/k0scontroller.service',
    'var/snap/microk8s/current/args',
  ])('is known by %s: no pod, mount, link, rule or file is touched', async (path) => {
    await put(path);
    await put('var/lib/kubelet/pods/p1/volumes/token');
    const { leaving, ran, killed } = await worker({ mounts: ['var/lib/kubelet/pods/p1/volumes'] });
    const told = await leaving.remove(false);
    expect(told.left.join()).toContain('of another Kubernetes');
    expect(await there('var/lib/rancher/k3s/agent/containerd/state.db')).toBe(true);
    expect(await there('var/lib/kubelet/pods/p1/volumes/token')).toBe(true);
    expect([ran.filter((line) => /^(umount|ip |iptables)/.test(line)), killed]).toEqual([[], []]);
  });

  it('is not torn down by an instance whose K3s was installed and never started', async () => {
    const { leaving, phases, ran } = await leavingMachine(root);
    await phases.set('a', { installing: true });
    await put('var/lib/kubelet/pods/p1/volumes/token');
    await leaving.remove(false);
    expect(await there('var/lib/kubelet/pods/p1/volumes/token')).toBe(true);
    expect(ran).toEqual([]);
  });
});

describe('the folder of units', () => {
  it('may hold folders of K3s’s name', async () => {
    await mkdir(join(root, 'etc/systemd/system/k3s.service.wants'), { recursive: true });
    await mkdir(join(root, 'etc/systemd/system/k3s-edge.service'), { recursive: true });
    const { leaving } = await worker({ network: false });
    expect((await leaving.remove(false)).left).toEqual([]);
    expect(await there('var/lib/rancher')).toBe(false);
  });

  it('may hold what cannot be read: then nothing is deleted, and that is said', async () => {
    const files: Machine['files'] = {
      read: async (path) => {
        if (path.endsWith('k3s-edge.service')) throw new Error('EIO: i/o error');
        return systemFiles.read(path);
      },
    };
    await put('etc/systemd/system/k3s-edge.service');
    const { leaving } = await worker({ network: false, files });
    expect((await leaving.remove(false)).left.join()).toMatch(/cannot be told whose K3s this is \(EIO/);
    expect(await there('var/lib/rancher/k3s/agent/containerd/state.db')).toBe(true);
  });
});

describe('removing a tree', () => {
  it('unlinks links without following them, keeps what it is told to keep, and names what stays', async () => {
    await put('outside/data');
    await put('tree/a/b/file');
    await put('tree/disk/data');
    await put('tree/mark');
    await symlink(join(root, 'outside'), join(root, 'tree/a/link'));
    const tree = join(root, 'tree');
    const left = await systemFiles.removeWithin(tree, { last: 'mark', around: [join(tree, 'disk')] });
    expect(left).toEqual([`${join(tree, 'disk')}: a file system is mounted there`]);
    expect(await readdir(root, { recursive: true })).toEqual(
      expect.arrayContaining(['outside/data', 'tree/disk/data']),
    );
    expect(await readdir(tree)).toEqual(['disk']);
    await symlink(tree, join(root, 'way'));
    await expect(systemFiles.removeWithin(join(root, 'way'))).rejects.toThrow(/ENOTDIR|ELOOP/);
    expect(await systemFiles.removeWithin(tree)).toEqual([]);
  });
});
