import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#kernel';
import type { agentV1 } from '#proto';
import { systemVty } from '../../../agent/src/adapters/vty.js';
import { noKernelLease } from '../../../agent/src/lease/kernel-lease.js';
import { IpRoute } from '../../../agent/src/network/iproute.js';
import { Overlay } from '../../../agent/src/network/overlay.js';
import type { AgentPorts } from '../../../agent/src/ports.js';
import { ProcessManager } from '../../../agent/src/services/process-manager.js';
import { realPorts } from '../../../agent/src/testing/harness.js';
import { makeNetwork, type Netns } from '../../../agent/src/testing/netns.js';
import type { WireGuardDriver } from '../../../agent/src/wireguard/driver.js';
import { UapiDriver } from '../../../agent/src/wireguard/uapi-driver.js';
import { WireGuardGo } from '../../../agent/src/wireguard/wireguard-go.js';
import { signal, sleep, until } from '../../../apps/lab/src/processes.js';
import { compileBgp } from '../../../libs/sdwan/src/domain/ibgp/compile.js';
import type { LiveVirtualIp, Member } from '../../../libs/sdwan/src/domain/virtual-ip/state.js';
import { compileNetwork } from '../../../libs/sdwan/src/domain/wireguard-compiler/compile.js';
import type { NetworkView, PeerView } from '../../../libs/sdwan/src/domain/wireguard-compiler/model.js';
import { asAsked, viewOf, type IbgpOptions } from './ibgp-node.js';

const NETWORK = 'sdwan_network-soak';
const VIP = 'fd00:5:5:5::100';
const STORE_EPOCH = 'e';
export const CANDIDATES = 2;

interface Machine {
  readonly netns: Netns;
  readonly peerId: string;
  readonly device: string;
  readonly stateDir: string;
  ports: AgentPorts;
  /** A dead machine's agent starts nothing any more. */
  life: { dead: boolean };
  driver: WireGuardDriver;
  overlay: Overlay;
  services: ProcessManager;
  routing: agentV1.Routing | undefined;
}

/** What a connection noticed. */
export interface Gap {
  readonly sent: number;
  readonly lost: number;
}

/** Overlays of several nodes in one process, each in a namespace with real WireGuard and FRR, told what the compiler says. */
export class IbgpRig {
  private readonly machines: Machine[] = [];
  private readonly peers = new Map<string, PeerView>();
  private mode: 'ibgp' | 'mesh' = 'ibgp';
  private epoch = 1;
  private holder = 0;

  private constructor(
    private readonly dir: string,
    private readonly remove: () => Promise<void>,
    private readonly options: IbgpOptions,
  ) {}

  static async create(count: number, options: IbgpOptions = {}): Promise<IbgpRig> {
    const { nodes, remove } = await makeNetwork(count);
    const rig = new IbgpRig(mkdtempSync(join(tmpdir(), 'drover-ibgp-')), remove, options);
    for (const [n, netns] of nodes.entries()) {
      await netns.processes.run('ip', ['address', 'add', `${rig.pod(n)}/32`, 'dev', 'lo']);
      const ports = { ...realPorts(silentLog), processes: netns.processes };
      const stateDir = join(rig.dir, `n${n}`);
      const machine = { netns, peerId: `sdwan_peer-${n}`, device: `wg-s-${netns.name.slice(2)}`, stateDir, ports };
      const parts = {
        life: { dead: false },
        driver: undefined as never,
        overlay: undefined as never,
        services: undefined as never,
        routing: undefined,
      };
      rig.machines.push({ ...machine, ...parts });
      const more = Array.from({ length: (options.ranges ?? 1) - 1 }, (_, k) => `10.42.${count + n + k * count}.0/24`);
      rig.peers.set(machine.peerId, viewOf(n, machine.peerId, more));
      await rig.boot(n);
    }
    // Each node makes its key with its first section, and is in the others' with their next one.
    for (const n of nodes.keys()) await rig.tell(n);
    await until('every node has a key', () => [...rig.peers.values()].every((p) => p.publicKey !== null), 30_000);
    return rig;
  }

  get count(): number {
    return this.machines.length;
  }
  pod(n: number): string {
    return `10.42.${n}.7`;
  }
  view(): NetworkView {
    return {
      networkId: NETWORK,
      name: 'soak',
      handle: 'abcdef',
      cidr64: 'fd00:5:5:5::/64',
      cidrV4: '100.64.16.0/20',
      routingMode: this.mode,
      podSubnetPrefix: '10.42.0.0/16',
      peers: this.peers,
      virtualIps: new Map([['virtual_ip-1', this.vip()]]),
      firewall: new Map(),
    };
  }

  /** Starts a node's agent; after `kill` with what is left on its disk. */
  async boot(n: number): Promise<void> {
    const machine = this.machines[n]!;
    const { netns, stateDir } = machine;
    const life = { dead: false };
    const spawnDetached: AgentPorts['processes']['spawnDetached'] = (...args) =>
      life.dead ? Promise.reject(new Error('the machine is dead')) : netns.processes.spawnDetached(...args);
    const ports = { ...machine.ports, processes: { ...netns.processes, spawnDetached } };
    Object.assign(machine, { ports, life });
    machine.driver = new UapiDriver(new WireGuardGo(ports, stateDir));
    machine.services = new ProcessManager(ports, join(stateDir, 'services'));
    machine.overlay = new Overlay({
      ports,
      driver: machine.driver,
      links: new IpRoute(ports.processes, ports.files, ports.log),
      fence: noKernelLease,
      stateDir,
      send: (message) => this.heard(machine, message),
      frr: { services: machine.services, vty: systemVty },
    });
    await machine.overlay.start();
    // As an agent does: what a section says of virtual IPs counts only in the store epoch that it was told of.
    machine.overlay.vips.heed(STORE_EPOCH);
  }

  /** The node's agent hears the platform: its section as of now. */
  async tell(n: number): Promise<void> {
    const machine = this.machines[n]!;
    const network = this.view();
    const self = this.peers.get(machine.peerId)!;
    const compiled = compileNetwork(network, self, { beatMs: 200, ttlMs: 600 });
    const bgp = asAsked(compileBgp(network, self), this.options);
    const items: [string, object][] = [
      ['interface', { ...compiled.interface, name: machine.device }],
      ...compiled.peers.map((item): [string, object] => [`peer/${item.peer_id}`, item]),
      ...compiled.routes.map((item): [string, object] => [`route/${item.prefix}`, item]),
      // Leases go by datagrams of the agent's own process, which is in no namespace here.
      ...compiled.vips.map((item): [string, object] => [`vip/${item.vip_id}`, { ...item, lease: null }]),
      ...(bgp === undefined ? [] : [['bgp', bgp] as [string, object]]),
    ];
    const bytes = new Map(items.map(([key, item]) => [key, Buffer.from(JSON.stringify(item))]));
    const errors = await machine.overlay.apply(`network/${NETWORK}`, bytes, STORE_EPOCH, 1n);
    if (errors.length > 0) throw new Error(`${machine.peerId}: ${errors.join('; ')}`);
  }
  async tellAll(): Promise<void> {
    await Promise.all(this.machines.map((_, n) => this.tell(n)));
  }

  /** Only the two candidates hear of it: everybody else has to learn it. */
  async moveVip(): Promise<void> {
    this.epoch++;
    this.holder = (this.holder + 1) % CANDIDATES;
    for (const n of [this.holder, (this.holder + 1) % CANDIDATES]) await this.tell(n);
  }
  /** How many of the others send what is for the virtual IP to its holder. */
  async following(): Promise<boolean> {
    const others = [...this.machines.keys()].filter((n) => n >= CANDIDATES);
    return (await Promise.all(others.map((n) => this.sends(n, `${VIP}/128`, this.holder)))).every(Boolean);
  }
  /** Whether node `n` sends a prefix to node `to`. */
  async sends(n: number, prefix: string, to: number): Promise<boolean> {
    const { driver, device } = this.machines[n]!;
    const key = this.peers.get(this.machines[to]!.peerId)!.publicKey;
    const state = await driver.read(device);
    return state?.peers.find((peer) => peer.publicKey === key)?.allowedIps.includes(prefix) === true;
  }

  /** Every session that should be is up, with BFD, on every node. */
  up(except: readonly number[] = []): boolean {
    const network = this.view();
    return this.machines.every((machine, n) => {
      if (except.includes(n)) return true;
      const wanted = compileBgp(network, this.peers.get(machine.peerId)!)!.neighbors;
      return wanted.every(({ peer_id }) => {
        if (except.some((gone) => this.machines[gone]!.peerId === peer_id)) return true;
        const session = machine.routing?.sessions.find((s) => s.peerId === peer_id);
        return session?.state === 'Established' && session.bfd === 'up';
      });
    });
  }

  async setMode(mode: 'ibgp' | 'mesh'): Promise<void> {
    this.mode = mode;
    await this.tellAll();
  }
  async daemons(n: number): Promise<string[]> {
    const { stdout } = await this.machines[n]!.ports.processes.run('sh', ['-c', PIDS, this.machines[n]!.netns.name]);
    return stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  }
  stateDir(n: number): string {
    return this.machines[n]!.stateDir;
  }
  /** A node has one more range, and only it hears of that: the others have to learn it. */
  async gain(n: number, prefix: string): Promise<void> {
    const { peerId } = this.machines[n]!;
    const peer = this.peers.get(peerId)!;
    this.peers.set(peerId, { ...peer, podCidrs: [...peer.podCidrs, prefix] });
    await this.tell(n);
  }
  isReflector(n: number): boolean {
    return compileBgp(this.view(), this.peers.get(this.machines[n]!.peerId)!)!.role === 'reflector';
  }
  /** Kills a node's daemon by its pid. */
  async killDaemon(n: number, name: string): Promise<void> {
    const line = (await this.daemons(n)).find((daemon) => daemon.endsWith(` ${name}`));
    if (line === undefined) throw new Error(`no ${name} on node ${n}`);
    process.kill(Number(line.split(' ')[0]), 'SIGKILL');
  }
  /** The machine dies: its agent and all that it started. */
  async kill(n: number): Promise<void> {
    this.machines[n]!.life.dead = true;
    this.machines[n]!.overlay.stop();
    this.machines[n]!.services.release();
    this.machines[n]!.routing = undefined;
    for (const line of await this.daemons(n)) process.kill(Number(line.split(' ')[0]), 'SIGKILL');
  }

  /** Pings from pod to pod every 5 ms while something happens. */
  async pinging(from: number, to: number, what: () => Promise<void>): Promise<Gap> {
    const { name } = this.machines[from]!.netns;
    const args = ['netns', 'exec', name, 'ping', '-n', '-i', '0.005', '-I', this.pod(from), this.pod(to)];
    const ping: ChildProcess = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    ping.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise<void>((resolve) => ping.once('close', () => resolve()));
    try {
      await what();
    } finally {
      signal(ping.pid!, 'SIGINT');
      await ended;
    }
    // The last ones may be under way still.
    const seen = [...text.matchAll(/icmp_seq=(\d+) ttl/g)].map((m) => Number(m[1]));
    const sent = Math.max(0, ...seen);
    return { sent, lost: sent - new Set(seen).size };
  }

  async close(): Promise<void> {
    for (const [n, { overlay, services }] of this.machines.entries()) {
      await overlay.wipe();
      overlay.stop();
      services.release();
      for (const line of await this.daemons(n)) process.kill(Number(line.split(' ')[0]), 'SIGKILL');
    }
    await sleep(200);
    await this.remove();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private heard(machine: Machine, { message }: agentV1.SyncRequest): void {
    if (message?.$case === 'observed') machine.routing = message.value.routing;
    if (message?.$case !== 'peerKey') return;
    const peer = this.peers.get(machine.peerId)!;
    this.peers.set(machine.peerId, { ...peer, publicKey: message.value.publicKey });
  }

  private vip(): LiveVirtualIp {
    const member = (n: number) => ({ peer_id: `sdwan_peer-${n}`, instance_id: `instance-${n}` }) as Member;
    return {
      status: 'active',
      virtualIpId: 'virtual_ip-1',
      networkId: NETWORK,
      clusterId: null,
      name: 'v',
      purpose: 'soak',
      address: VIP,
      candidates: Array.from({ length: CANDIDATES }, (_, n) => member(n)),
      holder: member(this.holder),
      holderEpoch: this.epoch,
      epoch: this.epoch,
      move: null,
    } as unknown as LiveVirtualIp;
  }
}

/** Pid and name of the routing daemons and tunnels in the namespace. */
const PIDS = `for p in $(ip netns pids "$0"); do c=$(cat /proc/$p/comm 2>/dev/null); case "$c" in zebra|bfdd|bgpd|wireguard-go) echo "$p $c";; esac; done`;
