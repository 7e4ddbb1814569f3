import { randomUUID, createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { childrenOf, firstLine, must, run, signal, start, until, type Output } from './processes.js';

/** Where the platform is reachable from every host of a lab, and the hosts' underlay: 10.77.0.N/16 and fd77::N/64. */
export const GATEWAY_V4 = '10.77.0.1';
export const GATEWAY_V6 = 'fd77::1';
export const underlayOf = (index: number) => ({
  v4: `10.77.0.${10 + index}`,
  v6: `fd77::${(10 + index).toString(16)}`,
});

/**
 * Link addresses that stay: a bridge without one takes its lowest port's, and when that port goes everybody has lost the
 * gateway until neighbour discovery gives the old address up (15 to 45 s). A machine that comes back has its card's address.
 */
const GATEWAY_MAC = '02:77:00:00:00:01';
const macOf = (index: number): string => {
  const [high, low] = [(10 + index) >> 8, (10 + index) & 0xff].map((byte) => byte.toString(16).padStart(2, '0'));
  return `02:77:00:01:${high}:${low}`;
};

/**
 * The lab's own corner of the machine: one user namespace (for ordinary users), network namespace and mount namespace,
 * anchored by a process. Its bridge is the underlay's switch. Everything dies with the anchors.
 */
export class Base {
  private constructor(
    readonly pid: number,
    private readonly asUser: boolean,
    readonly dir: string,
  ) {}

  static async create(dir: string, asUser: boolean): Promise<Base> {
    mkdirSync(`${dir}/disks`);
    const script = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "${dir}/disks"
ip link set lo up
ip link add br0 address ${GATEWAY_MAC} type bridge mcast_snooping 0
ip addr add ${GATEWAY_V4}/16 dev br0
ip addr add fd77::1/64 dev br0 nodad
ip link set br0 up
echo ready
exec sleep infinity`;
    const user = asUser ? ['--user', '--map-root-user'] : [];
    const argv = ['unshare', ...user, '--net', '--mount', '--', 'setpriv', '--pdeathsig', 'KILL', 'bash', '-c', script];
    const child = start(argv, ['ignore', 'pipe', 'pipe']);
    await firstLine(child, 'the lab’s base namespace');
    child.unref();
    return new Base(child.pid!, asUser, dir);
  }

  /** The command, run in the namespaces of a process; host processes also see the host's own pids. */
  wrap(argv: readonly string[], pid = this.pid, asHost = false): string[] {
    const user = this.asUser ? ['-U', '--preserve-credentials'] : [];
    return ['nsenter', '-t', String(pid), ...user, '-n', '-m', ...(asHost ? ['-u', '-p'] : []), '--', ...argv];
  }

  async exec(argv: readonly string[]): Promise<string> {
    return must(this.wrap(argv));
  }
}

const hostScript = (dir: string, name: string): string => `set -e
mount --make-rprivate /
d="${dir}/disks/${name}"
layer() {
  mkdir -p "$2" "$2.work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$2.work" "$1" 2>/dev/null ||
    mount -t overlay overlay -o "userxattr,lowerdir=$1,upperdir=$2,workdir=$2.work" "$1"
}
layer /etc "$d/etc"; layer /var/lib "$d/var-lib"; layer /usr/local/bin "$d/bin"
for p in etc/rancher etc/systemd/system var/lib/rancher var/lib/drover-agent; do
  mkdir -p "/$p" "$d/own/$p"; mount --bind "$d/own/$p" "/$p"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p -m 700 /run/wireguard
[ -L /var/run ] || mount --bind /run /var/run
hostname "${name}"
rm -f /etc/machine-id; echo ${createHash('sha256').update(`${dir}/${name}`).digest('hex').slice(0, 32)} > /etc/machine-id
echo ${randomUUID()} > /run/boot_id; mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
ip link set lo up
echo ready
while :; do sleep 3600 & wait $!; done`;

/**
 * A machine: network, mount, UTS and pid namespaces with its own /etc/rancher, /var/lib/rancher, /var/lib/drover-agent,
 * /usr/local/bin and /run. Its disk outlives it, so that it can come back. Its init reaps what is orphaned on it.
 */
export class Host {
  private init = 0;
  private holder: ChildProcess | undefined;

  constructor(
    private readonly base: Base,
    readonly name: string,
    readonly index: number,
    /** Plain routes need one family for all; with WireGuard the underlay has both. */
    private readonly v6Only: boolean,
  ) {}

  get pid(): number {
    return this.init;
  }
  get up(): boolean {
    return this.init !== 0;
  }

  async boot(): Promise<void> {
    const shell = ['bash', '-c', hostScript(this.base.dir, this.name)];
    const unshare = ['unshare', '--net', '--mount', '--uts', '--pid', '--fork', '--mount-proc', '--kill-child'];
    const argv = this.base.wrap(['setpriv', '--pdeathsig', 'KILL', ...unshare, '--', ...shell]);
    const holder = start(argv, ['ignore', 'pipe', 'pipe']);
    await firstLine(holder, `host ${this.name}`);
    // nsenter and setpriv replace themselves; unshare --fork keeps the one child that is the host's init.
    this.init = childrenOf(holder.pid!)[0] ?? 0;
    if (this.init === 0) throw new Error(`host ${this.name} has no init`);
    this.holder = holder;
    holder.unref();
    await this.attach();
  }

  private async attach(): Promise<void> {
    const { v4, v6 } = underlayOf(this.index);
    await this.base.exec([
      'sh',
      '-ec',
      // A namespace that just died may still be on its way out, and its end of the link with it.
      `ip link del p${this.index} 2>/dev/null || true; ip link add p${this.index} type veth peer name eth0 address ${macOf(this.index)} netns ${this.init}; ip link set p${this.index} master br0 up`,
    ]);
    const first = this.v6Only ? '' : `ip addr add ${v4}/16 dev eth0; `;
    await must(this.wrap(['sh', '-ec', `${first}ip addr add ${v6}/64 dev eth0 nodad; ip link set eth0 up`]));
  }

  wrap(argv: readonly string[]): string[] {
    if (!this.up) throw new Error(`host ${this.name} is down`);
    return this.base.wrap(argv, this.init, true);
  }

  exec(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Output> {
    return run(this.wrap(argv), env);
  }

  /** Power off the hard way: SIGKILL for every process on it at once; the link goes with it. */
  async kill9(): Promise<void> {
    if (!this.up) return;
    const { holder } = this;
    signal(this.init, 'SIGKILL');
    this.init = 0;
    await until(`host ${this.name} is gone`, () => holder!.exitCode !== null || holder!.signalCode !== null);
  }

  cutLink(): Promise<string> {
    return this.base.exec(['ip', 'link', 'set', `p${this.index}`, 'down']);
  }
  restoreLink(): Promise<string> {
    return this.base.exec(['ip', 'link', 'set', `p${this.index}`, 'up']);
  }
  /** Only the way to the platform: the overlay stays. */
  async cutControl(): Promise<void> {
    for (const to of [`${GATEWAY_V4}/32`, `${GATEWAY_V6}/128`])
      await must(this.wrap(['ip', 'route', 'add', 'blackhole', to]));
  }
  async restoreControl(): Promise<void> {
    for (const to of [`${GATEWAY_V4}/32`, `${GATEWAY_V6}/128`])
      await must(this.wrap(['ip', 'route', 'del', 'blackhole', to]));
  }
}
