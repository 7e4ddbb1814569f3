import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Made by scripts/systemd-rootfs.mjs, outside of node_modules, which `npm ci` empties. */
const ROOTFS = join(homedir(), '.cache/drover-systemd/rootfs-1');
const BOOT_MS = 300_000;

export interface Ran {
  readonly code: number | null;
  readonly out: string;
}

/** Why no machine can be booted here; empty when one can. */
export const missingForMachines = (): string => {
  if (process.getuid?.() !== 0) return 'root';
  if (spawnSync('systemd-nspawn', ['--version']).status !== 0) return 'systemd-nspawn (package systemd-container)';
  if (!existsSync('/dev/net/tun')) return '/dev/net/tun';
  return existsSync(ROOTFS) ? '' : `${ROOTFS}: make it with node scripts/systemd-rootfs.mjs (package mmdebstrap)`;
};

export const until = async (what: string, ready: () => boolean, detail: () => string, ms = 300_000): Promise<void> => {
  for (const end = Date.now() + ms; !ready();) {
    if (Date.now() > end) throw new Error(`${what}: not within ${ms / 1000} s\n${detail()}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
};

/**
 * The disk is an overlay on a tmpfs in a mount namespace of its own: it outlives a reboot of the machine (code 133) and is
 * gone with the last process. Without pdeathsig a killed test would leave machines behind. Units need CAP_NET_ADMIN for
 * interfaces and /dev/net/tun: nspawn takes it away unless the network is private by its own means. nspawn puts its units below
 * its own control group, which two machines must not share: one would end the other's units.
 */
const CONTROL_GROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'];
const BOOT = `
name=$1; shift
mount -t tmpfs -o mode=0755 tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" || exit 1
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root" || exit 1
folder=$1; shift 2
while :; do
  sh -c 'for group in ${CONTROL_GROUPS.join(' ')}; do
    [ -e "$group/cgroup.procs" ] || continue
    mkdir -p "$group/$0" && echo $$ >"$group/$0/cgroup.procs"
  done
  exec setpriv --pdeathsig KILL systemd-nspawn "$@"' "$name" -D "$folder/root" "$@"
  code=$?
  [ $code = 133 ] || exit $code
done`;

const ip = (...args: readonly string[]): void => {
  const done = spawnSync('ip', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ip ${args.join(' ')}: ${done.stderr}`);
};

/** A Debian host with a real systemd, in a network namespace of its own. What it writes is gone with it. */
export class Machine {
  private constructor(
    private readonly name: string,
    private readonly folder: string,
    private readonly nspawn: ChildProcess,
    private readonly said: () => string,
  ) {}

  static async boot(suffix: string, binds: Readonly<Record<string, string>>): Promise<Machine> {
    const name = `drv${process.pid}${suffix}`;
    const folder = mkdtempSync(join(tmpdir(), 'drover-systemd-'));
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    const args = ['--boot', '--register=no', '--keep-unit', `--machine=${name}`, '--capability=CAP_NET_ADMIN'];
    args.push(`--network-namespace-path=/run/netns/${name}`);
    for (const [inside, outside] of Object.entries(binds)) args.push(`--bind-ro=${outside}:${inside}`);
    const shell = ['--pdeathsig', 'KILL', 'unshare', '--mount', 'sh', '-c', BOOT, 'sh', name, folder, ROOTFS, ...args];
    const nspawn = spawn('setpriv', shell, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [nspawn.stdout, nspawn.stderr])
      stream.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-4_000)));
    const machine = new Machine(name, folder, nspawn, () => text);
    try {
      await machine.up();
    } catch (error) {
      await machine.stop();
      throw error;
    }
    return machine;
  }

  /** A cable between two machines. */
  static connect(a: Machine, addressOfA: string, b: Machine, addressOfB: string): void {
    ip('link', 'add', 'eth0', 'netns', a.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b.name);
    for (const [machine, address] of [
      [a, addressOfA],
      [b, addressOfB],
    ] as const) {
      ip('-n', machine.name, 'address', 'add', address, 'dev', 'eth0');
      ip('-n', machine.name, 'link', 'set', 'eth0', 'up');
    }
  }

  private up(): Promise<void> {
    const isUp = () => /^(running|degraded)$/m.test(this.run('systemctl', 'is-system-running').out);
    return until(`the machine ${this.name} is up`, isUp, this.said, BOOT_MS);
  }

  /** All that runs ends in order, and what is enabled starts. */
  async reboot(): Promise<void> {
    const before = this.leader();
    this.ok('systemctl', '--no-block', 'reboot');
    const isAnother = () => ![undefined, before].includes(this.leader());
    await until(`the machine ${this.name} boots again`, isAnother, this.said, BOOT_MS);
    await this.up();
  }

  /** A program inside, with a clean environment. */
  run(...command: readonly string[]): Ran {
    const leader = this.leader();
    if (leader === undefined) return { code: null, out: `no machine: ${this.said()}` };
    const env = ['-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8'];
    const args = ['-t', leader, '-m', '-u', '-i', '-n', '-p', 'env', ...env, ...command];
    const done = spawnSync('nsenter', args, { encoding: 'utf8', timeout: 600_000 });
    return { code: done.status, out: `${done.stdout}${done.stderr}` };
  }

  /** As run, for what must succeed. */
  ok(...command: readonly string[]): string {
    const { code, out } = this.run(...command);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${out}`);
    return out;
  }

  async stop(): Promise<void> {
    const { nspawn } = this;
    if (nspawn.exitCode === null && nspawn.signalCode === null) {
      const ended = new Promise<void>((resolve) => nspawn.once('exit', () => resolve()));
      // Nothing in it is worth an orderly stop; the leader's end ends everything inside.
      const leader = this.leader();
      if (leader !== undefined) process.kill(Number(leader), 'SIGKILL');
      else nspawn.kill('SIGKILL');
      await ended;
    }
    spawnSync('ip', ['netns', 'delete', this.name]);
    const groups = CONTROL_GROUPS.map((group) => join(group, this.name)).filter((group) => existsSync(group));
    for (const group of groups) spawnSync('find', [group, '-depth', '-type', 'd', '-delete']);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The machine's process 1: below the shell that is setpriv's, the child of nspawn that is a systemd. */
  private leader(): string | undefined {
    const { pid } = this.nspawn;
    return pid === undefined
      ? undefined
      : childrenOf(String(pid))
          .flatMap(childrenOf)
          .find((child) => nameOf(child) === 'systemd');
  }
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
};
const nameOf = (pid: string): string => read(`/proc/${pid}/comm`);

const childrenOf = (pid: string): string[] => {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return [];
  return readdirSync(tasks)
    .flatMap((task) => read(join(tasks, task, 'children')).split(' '))
    .filter((child) => child !== '');
};
