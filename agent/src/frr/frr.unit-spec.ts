import { ManualClock, silentLog } from '#kernel';
import type { BgpItem } from '#proto';
import type { NetworkSection } from '../network/compose.js';
import type { Files, Processes, RunResult } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { configOf, configText } from './config.js';
import { Frr } from './frr.js';
import type { VtyAnswer } from './vty.js';

const item: BgpItem = {
  network_id: 'net',
  asn: 64512,
  port: 1790,
  address: 'fd00:1::1:1',
  role: 'peer',
  neighbors: [{ peer_id: 'p2', address: 'fd00:1::1:2' }],
  pod_prefix: null,
  virtual_ips: [],
  bfdd: [],
  bgpd: [{ path: ['router bgp 64512'], lines: ['bgp router-id 100.64.0.1'] }],
};
const section = (bgp: BgpItem | undefined): NetworkSection => ({
  networkId: 'net',
  iface: {
    network_id: 'net',
    peer_id: 'p1',
    name: 'wg-sdwan-abcdef',
    addresses: ['fd00:1::1:1/128'],
    listen_port: 51820,
    mtu: 1420,
    forwarding: false,
  },
  peers: [],
  routes: new Map(),
  vips: [],
  firewall: [],
  bgp,
  errors: [],
});

const SUMMARY = JSON.stringify({
  ipv6Unicast: { tableVersion: 1, peers: { 'fd00:1::1:2': { state: 'Established', peerUptimeMsec: 1, pfxRcd: 0 } } },
});

/** A node on which the package can be there or not, and a daemon that takes what it is told. */
class Node {
  readonly clock = new ManualClock();
  readonly services = new Map<string, boolean>();
  readonly told: string[] = [];
  installed = false;
  answers = true;
  /** `show bgp ipv6 unicast json` */
  paths = '{}';
  private running = '';
  private readonly disk = new Map<string, Buffer>();
  readonly frr: Frr;

  constructor() {
    const files = {
      read: (path: string) => Promise.resolve(this.disk.get(path)),
      write: (path: string, data: string) => Promise.resolve(void this.disk.set(path, Buffer.from(data))),
      removeTree: () => Promise.resolve(),
    } as unknown as Files;
    const processes = { run: (command: string) => Promise.resolve(this.ran(command)) } as unknown as Processes;
    const services = {
      kind: 'process',
      ensure: (spec: { name: string }) => Promise.resolve(void this.services.set(spec.name, true)),
      restart: (spec: { name: string }) => Promise.resolve(void this.services.set(spec.name, true)),
      stop: (name: string) => Promise.resolve(void this.services.delete(name)),
      status: (name: string) => Promise.resolve({ running: this.answers, detail: `${name} ended with SIGABRT` }),
      release: () => undefined,
    } as unknown as ServiceManager;
    const { clock } = this;
    this.frr = new Frr(
      {
        ports: { clock, timers: clock, log: silentLog, files, processes },
        services,
        vty: {
          connect: () =>
            this.answers
              ? Promise.resolve({ ask: (command) => this.answer(command), close: () => undefined })
              : Promise.reject(new Error('connect ECONNREFUSED')),
        },
        stateDir: '/state',
      },
      { held: () => [], learned: () => Promise.resolve() },
    );
    this.frr.start();
  }

  private ran(command: string): RunResult {
    if (command === 'install') return { code: 0, stdout: '', stderr: '' };
    return this.installed
      ? { code: 0, stdout: 'bgpd version 8.4.4\n', stderr: '' }
      : { code: null, stdout: '', stderr: 'ENOENT' };
  }

  private answer(command: string): Promise<VtyAnswer> {
    return this.answers ? Promise.resolve(this.asked(command)) : Promise.reject(new Error('closed by the daemon'));
  }

  private asked(command: string): VtyAnswer {
    if (command === 'show running-config') return { code: 0, text: this.running };
    if (command === 'show bgp summary json') return { code: 0, text: SUMMARY };
    if (command.startsWith('show bfd')) return { code: 0, text: '[{"peer":"fd00:1::1:2","status":"up"}]' };
    if (command === 'show bgp ipv6 unicast json') return { code: 0, text: this.paths };
    if (command.startsWith('show')) return { code: 0, text: '{}' };
    this.told.push(command);
    if (command === 'end') this.running = configText(configOf(item.bgpd));
    return { code: 0, text: '' };
  }
}

describe('the routing daemons of a node', () => {
  it('are missed by name where the package is not installed, and start when it is', async () => {
    const node = new Node();
    node.frr.apply(section(item), 'e');
    await node.clock.advance(1_000);
    expect(node.frr.report('net')).toMatchObject({
      daemon: '',
      sessions: [],
      error: expect.stringMatching(/install the package frr.*static/) as string,
    });
    expect(node.services.size).toBe(0);
    expect(node.frr.section(section(item)).peers).toEqual([]);
    node.installed = true;
    await node.clock.advance(31_000);
    expect([...node.services.keys()]).toEqual(['drover-frr-zebra', 'drover-frr-bfdd', 'drover-frr-bgpd-abcdef']);
    expect(node.told).toContain('bgp router-id 100.64.0.1');
    expect(node.frr.report('net')).toEqual({
      daemon: 'frr 8.4.4',
      sessions: [{ peerId: 'p2', state: 'Established', bfd: 'up', prefixes: 0 }],
      learned: [],
      error: '',
    });
  });

  it('are told about when they stay down, and not while they are only restarted', async () => {
    const node = new Node();
    node.installed = true;
    node.frr.apply(section(item), 'e');
    await node.clock.advance(1_000);
    node.answers = false;
    await node.clock.advance(5_000);
    expect(node.frr.report('net')).toMatchObject({ daemon: 'frr 8.4.4', error: '' });
    await node.clock.advance(8_000);
    expect(node.frr.report('net')).toMatchObject({
      daemon: '',
      error: expect.stringContaining('ended with SIGABRT') as string,
    });
    node.answers = true;
    await node.clock.advance(2_000);
    expect(node.frr.report('net')).toMatchObject({ daemon: 'frr 8.4.4', error: '' });
  });

  it('are heard also where a better-looking lie hides that somebody else holds a virtual IP now', async () => {
    const node = new Node();
    node.installed = true;
    const vip = { vip_id: 'v', address: 'fd00:1::100', candidates: ['p2', 'p3'] };
    const neighbor = (n: number) => ({ peer_id: `p${n}`, address: `fd00:1::1:${n}` });
    const peers = [2, 3, 4].map((n) => ({
      ...{ peer_id: `p${n}`, instance_id: null, public_key: 'k', endpoints: [], persistent_keepalive: 25 },
      allowed_ips: [`fd00:1::1:${n}/128`],
    }));
    const told = { ...item, virtual_ips: [vip], neighbors: [2, 3, 4].map(neighbor) };
    const routes = new Map([['fd00:1::/64', 'device' as const]]);
    const says = (n: number, locPrf: number) => ({
      ...{ valid: true, pathFrom: 'internal', peerId: `fd00:1::1:${n}`, locPrf },
      nexthops: [{ ip: `fd00:1::1:${n}`, used: true }],
    });
    const hears = (...paths: object[]) => (node.paths = JSON.stringify({ routes: { 'fd00:1::100/128': paths } }));
    // The fourth is no candidate: what it says is the best path, and stays that.
    hears(says(4, 4_000_000), says(2, 1_001));
    node.frr.apply({ ...section(told), peers, routes }, 'e');
    await node.clock.advance(1_000);
    const learned = (peerId: string, epoch: bigint) => [{ prefix: 'fd00:1::100/128', peerId, epoch, withdrawn: false }];
    expect(node.frr.report('net')?.learned).toEqual(learned('p2', 1n));
    hears(says(4, 4_000_000), says(3, 1_002), says(2, 1_001));
    await node.clock.advance(5_000);
    expect(node.frr.report('net')?.learned).toEqual(learned('p3', 2n));
  });

  it('end with the network’s mode, and are nothing that a mesh reports', async () => {
    const node = new Node();
    node.installed = true;
    node.frr.apply(section(item), 'e');
    await node.clock.advance(1_000);
    expect(node.services.size).toBe(3);
    node.frr.apply(section(undefined), 'e');
    await node.clock.advance(1_000);
    expect(node.services.size).toBe(0);
    expect(node.frr.report('net')).toBeUndefined();
  });
});
