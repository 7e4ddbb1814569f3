// How long an agent with many peers takes to apply a change of one of them: the agent's own code, a real wireguard-go in a
// network namespace, from the delta in hand (hash checked) to the write that WireGuard has acknowledged. In turn with
// `wg syncconf` on the same interface, which is how others bring a peer list about. Needs root, /dev/net/tun and wireguard-go.
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { agentV1, sectionHash, type InterfaceItem, type PeerItem } from '#proto';
import { noKernelLease } from '../../agent/src/lease/kernel-lease.js';
import { IpRoute } from '../../agent/src/network/iproute.js';
import { Overlay } from '../../agent/src/network/overlay.js';
import { applyDelta, applySnapshot, emptyDesired, type DesiredState } from '../../agent/src/session/desired-state.js';
import { realPorts, temporaryFolder } from '../../agent/src/testing/harness.js';
import { makeNetwork, missingForReal } from '../../agent/src/testing/netns.js';
import { UapiDriver } from '../../agent/src/wireguard/uapi-driver.js';
import { WireGuardGo } from '../../agent/src/wireguard/wireguard-go.js';
import { loadAverage } from './support/load.js';

const USAGE = `usage: npm run bench -- apply [--peers 1000] [--rounds 200] [--json]\n`;
const NETWORK = 'network/sdwan_network-bench';
const WARM_UP = 20;

const bytes = (item: object): Buffer => Buffer.from(JSON.stringify(item));
const key = (): string => randomBytes(32).toString('base64');

const peerAt = (n: number, publicKey: string, endpointPort: number): PeerItem => ({
  peer_id: `sdwan_peer-${n}`,
  instance_id: `instance-${n}`,
  public_key: publicKey,
  endpoints: [`192.0.2.${(n % 250) + 1}:${endpointPort}`],
  allowed_ips: [`fd00:1::1:${(n + 16).toString(16)}/128`, `100.64.${(n + 16) >> 8}.${(n + 16) & 255}/32`],
  persistent_keepalive: 25,
});

/** One more prefix on one peer, another one each time: what a pod range or a move of a virtual IP changes. */
const changed = (peer: PeerItem, round: number): PeerItem => ({
  ...peer,
  allowed_ips: [...peer.allowed_ips, `fd00:1::2:${round.toString(16)}/128`],
});

interface Node {
  readonly overlay: Overlay;
  readonly syncconf: (peers: readonly PeerItem[]) => Promise<void>;
  /** What WireGuard has, by its own tool. */
  readonly allowed: (publicKey: string) => Promise<string>;
  readonly end: () => Promise<void>;
}

const openNode = async (iface: InterfaceItem): Promise<Node> => {
  const stateDir = await temporaryFolder();
  const { nodes, remove } = await makeNetwork(1);
  const { processes } = nodes[0]!;
  const ports = { ...realPorts(), processes };
  const daemon = new WireGuardGo(ports, stateDir);
  const driver = new UapiDriver(daemon);
  const overlay = new Overlay({
    ports,
    driver,
    links: new IpRoute(processes, ports.files, ports.log),
    fence: noKernelLease,
    stateDir,
    send: () => undefined,
  });
  const file = join(stateDir, 'sync.conf');
  return {
    overlay,
    syncconf: async (peers) => {
      const blocks = peers.map((p) => {
        const more = `Endpoint = ${p.endpoints[0]}\nPersistentKeepalive = ${p.persistent_keepalive}`;
        return `[Peer]\nPublicKey = ${p.public_key}\nAllowedIPs = ${p.allowed_ips.join(', ')}\n${more}\n`;
      });
      const privateKey = await processes.run('wg', ['show', iface.name, 'private-key']);
      const head = `[Interface]\nPrivateKey = ${privateKey.stdout.trim()}\nListenPort = ${iface.listen_port}\n`;
      await writeFile(file, head + blocks.join(''), { mode: 0o600 });
      const { code, stderr } = await processes.run('wg', ['syncconf', iface.name, file]);
      if (code !== 0) throw new Error(`wg syncconf: ${stderr}`);
    },
    allowed: async (publicKey) => {
      const { stdout } = await processes.run('wg', ['show', iface.name, 'allowed-ips']);
      return stdout.split('\n').find((line) => line.startsWith(publicKey)) ?? '';
    },
    end: async () => {
      overlay.stop();
      await overlay.wipe();
      await remove();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
};

const snapshotOf = (items: ReadonlyMap<string, Buffer>): DesiredState => {
  const section = { name: NETWORK, generation: 1n, hash: sectionHash(items), items: Object.fromEntries(items) };
  const snapshot: agentV1.Snapshot = { storeEpoch: 'bench', sections: [section], unchanged: [], complete: true };
  return applySnapshot(emptyDesired, snapshot).desired;
};

/** What the platform would send for one changed item; its cost is not the agent's. */
const deltaOf = (desired: DesiredState, itemKey: string, item: object): agentV1.Delta => {
  const base = desired.sections.get(NETWORK)!;
  const put = { [itemKey]: bytes(item) };
  const hash = sectionHash(new Map([...base.items, ...Object.entries(put)]));
  const generation = base.generation + 1n;
  return { storeEpoch: 'bench', section: NETWORK, baseGeneration: base.generation, generation, hash, put, remove: [] };
};

const BLOCKS = 4;
const SYNCS = 5;

/** One change after another, as fast as they are applied; the agent looks for drift all the while, as ever. */
const applyChanges = async (node: Node, first: DesiredState, peers: readonly PeerItem[], from: number, to: number) => {
  let desired = first;
  const took: number[] = [];
  for (let round = from; round < to; round++) {
    const peer = changed(peers[(round * 37) % peers.length]!, round);
    const delta = deltaOf(desired, `peer/${peer.peer_id}`, peer);
    const since = performance.now();
    const result = applyDelta(desired, delta);
    if (result.kind !== 'applied') throw new Error(result.reason);
    desired = result.desired;
    const { items: wanted, generation } = desired.sections.get(NETWORK)!;
    const errors = await node.overlay.apply(NETWORK, wanted, 'bench', generation);
    took.push(performance.now() - since);
    if (errors.length > 0) throw new Error(errors.join('; '));
    if (round % 20 === 0 && !(await node.allowed(peer.public_key)).includes(peer.allowed_ips.at(-1)!))
      throw new Error(`round ${round}: WireGuard does not have what was applied`);
  }
  return { desired, took };
};

/** In blocks, ours and the way of a whole file in turn; what the latter takes away of ours is brought back in between. */
const measure = async (node: Node, first: DesiredState, peers: readonly PeerItem[], rounds: number) => {
  const warm = await applyChanges(node, first, peers, 0, WARM_UP);
  let { desired } = warm;
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let block = 0; block < BLOCKS; block++) {
    const edge = (n: number) => WARM_UP + Math.floor((rounds * n) / BLOCKS);
    const done = await applyChanges(node, desired, peers, edge(block), edge(block + 1));
    desired = done.desired;
    ours.push(...done.took);
    for (let n = 0; n < SYNCS; n++) {
      const one = changed(peers[n]!, 0xe000 + block * SYNCS + n);
      const since = performance.now();
      await node.syncconf(peers.map((peer, i) => (i === n ? one : peer)));
      theirs.push(performance.now() - since);
    }
    await node.overlay.repairAll();
    // A look that began before may find the difference and bring it about once more.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    process.stderr.write(`  ${edge(block + 1) - WARM_UP} of ${rounds} rounds\n`);
  }
  return { ours, theirs };
};

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]! * 100) / 100;
};

export const run = async (args: readonly string[]): Promise<Readonly<Record<string, string | number>>> => {
  const options = {
    peers: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '200' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const missing = await missingForReal();
  if (missing !== '') throw new Error(`apply needs real WireGuard: ${missing}`);
  const [count, rounds] = [Number(values.peers), Number(values.rounds)];
  const peers = Array.from({ length: count }, (_, n) => peerAt(n, key(), 51_820));
  const iface: InterfaceItem = {
    network_id: 'sdwan_network-bench',
    peer_id: 'sdwan_peer-self',
    name: `wgb${randomBytes(3).toString('hex')}`,
    addresses: ['fd00:1::1:0/128', '100.64.0.1/32'],
    listen_port: 51_820,
    mtu: 1_420,
    forwarding: false,
  };
  const routes = ['fd00:1::/64', '100.64.0.0/20'].map((prefix) => ({ prefix, kind: 'device' }));
  const items = new Map<string, Buffer>([
    ['interface', bytes(iface)],
    ...routes.map((route): [string, Buffer] => [`route/${route.prefix}`, bytes(route)]),
    ...peers.map((peer): [string, Buffer] => [`peer/${peer.peer_id}`, bytes(peer)]),
  ]);
  const node = await openNode(iface);
  try {
    await node.overlay.start();
    const desired = snapshotOf(items);
    const from = performance.now();
    const { items: wanted, generation } = desired.sections.get(NETWORK)!;
    const errors = await node.overlay.apply(NETWORK, wanted, 'bench', generation);
    if (errors.length > 0) throw new Error(errors.join('; '));
    process.stderr.write(`${count} peers set up in ${Math.round(performance.now() - from)} ms\n`);
    const { ours, theirs } = await measure(node, desired, peers, rounds);
    return {
      bench: 'apply',
      peers: count,
      p50_ms: quantile(ours, 0.5),
      p99_ms: quantile(ours, 0.99),
      max_ms: quantile(ours, 1),
      syncconf_p50_ms: quantile(theirs, 0.5),
      rounds,
      load: loadAverage(),
    };
  } finally {
    await node.end();
  }
};
