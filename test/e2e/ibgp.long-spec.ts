import { existsSync } from 'node:fs';
import { childrenOf, signal, until } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const SERVERS = ['one', 'two'];
const WORKER = 'three';
const HOSTS = [...SERVERS, WORKER];
const NETWORK = 'fabric';
/** For what never comes: machines differ tenfold. */
const BOUND_MS = 180_000;
/**
 * A fifth of a second. Without its routes a node loses all of them for as long as a bgpd takes to come back; `npm run soak -- ibgp`
 * asks for none lost, on a machine that has nothing else to do.
 */
const FEW_PINGS = 10;

interface Peer {
  readonly id: string;
  readonly node_instance_id: string;
  readonly host_address: string;
  readonly public_key: string;
  readonly pod_cidrs: readonly string[];
}
interface Summary {
  readonly ibgp: {
    readonly nodes: readonly {
      readonly peer_id: string;
      readonly daemon: string | null;
      readonly error: string | null;
      readonly sessions: readonly { readonly peer_id: string; readonly state: string; readonly bfd: string | null }[];
      readonly learned: readonly { readonly prefix: string; readonly peer_id: string; readonly epoch: number | null }[];
    }[];
  } | null;
}
interface Vip {
  readonly id: string;
  readonly address: string;
  readonly holders: readonly string[];
  readonly epoch: number;
}

/** FRR's daemons are not on anybody's PATH. */
const frr = existsSync('/usr/lib/frr/bgpd') ? [] : ['frr (/usr/lib/frr/bgpd)'];

describeWithRealParts('an ibgp network, with FRR over real WireGuard', { tools: frr }, () => {
  let rig: LabRig;
  let device: string;
  const instances = new Map<string, string>();

  beforeAll(async () => {
    rig = await LabRig.create({ hosts: HOSTS });
    const { network } = await rig.operator.call<{ network: { interface_name: string } }>(
      'system_sdwan_create_network',
      {
        name: NETWORK,
        pod_subnet_prefix: '10.45.0.0/16',
        routing_mode: 'ibgp',
      },
    );
    device = network.interface_name;
    for (const [template, module] of [
      ['servers', 'k3s-server'],
      ['workers', 'k3s-agent'],
    ]) {
      await rig.operator.call('system_create_template', { name: template });
      await rig.operator.call('system_assign_module_to_template', { template_id: template, module_name: module });
    }
    for (const host of HOSTS) {
      const { node } = await rig.operator.call<{ node: { id: string } }>('system_create_node', {
        hostname: host,
        node_template_id: host === WORKER ? 'workers' : 'servers',
      });
      const { instance } = await rig.operator.call<{ instance: { id: string } }>('system_provision_instance', {
        node_id: node.id,
        driver: 'lab',
        cni_plugin: 'flannel',
      });
      instances.set(host, instance.id);
      await rig.operator.call('system_sdwan_attach_peer', { network_id: NETWORK, node_instance_id: instance.id });
    }
  }, BOUND_MS);

  afterAll(async () => {
    await rig?.close();
  }, 60_000);

  const peers = async (): Promise<readonly Peer[]> =>
    (await rig.operator.call<{ peers: readonly Peer[] }>('system_sdwan_list_peers', { network_id: NETWORK })).peers;
  const peerOf = async (host: string): Promise<Peer> =>
    (await peers()).find((peer) => peer.node_instance_id === instances.get(host))!;
  const nodes = async () =>
    (await rig.operator.call<Summary>('system_sdwan_get_routing_summary', { network_id: NETWORK })).ibgp?.nodes ?? [];
  const nodeOf = async (host: string) => {
    const { id } = await peerOf(host);
    return (await nodes()).find((node) => node.peer_id === id)!;
  };
  const vip = async (): Promise<Vip> =>
    (await rig.operator.call<{ virtual_ips: readonly Vip[] }>('system_sdwan_list_virtual_ips', { network_id: NETWORK }))
      .virtual_ips[0]!;
  const sh = async (host: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await rig.lab.exec(host, ['sh', '-c', script]);
    if (code !== 0) throw new Error(`${host}: ${script}: ${stderr}`);
    return stdout;
  };
  const answers = async (host: string, to: string, from?: string): Promise<number> => {
    const source = from === undefined ? [] : ['-I', from];
    const { stdout } = await rig.lab.exec(host, ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '1', ...source, to]);
    return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
  };
  const allUp = async () => {
    const all = await nodes();
    return (
      all.length === 3 &&
      all.every((n) => n.sessions.length === 2 && n.sessions.every((s) => s.state === 'Established' && s.bfd === 'up'))
    );
  };
  const pod = async (host: string) => (await peerOf(host)).pod_cidrs[0]!.replace('0/24', '7');

  it('has sessions with BFD between all nodes, over which pod ranges and the virtual IP are learned', async () => {
    await until('all sessions are up', allUp, BOUND_MS, 250);
    await until(
      'everybody has a pod range',
      async () => (await peers()).every((p) => p.pod_cidrs.length === 1),
      BOUND_MS,
      250,
    );
    const known = await peers();
    await until(
      'everybody learned the ranges of the two others',
      async () =>
        (await nodes()).every((node) =>
          known
            .filter((peer) => peer.id !== node.peer_id)
            .every((peer) => node.learned.some((l) => l.prefix === peer.pod_cidrs[0] && l.peer_id === peer.id)),
        ),
      BOUND_MS,
      250,
    );
    for (const host of HOSTS) {
      const address = await pod(host);
      await sh(
        host,
        `ip link add cni0 type veth peer name pod0 && ip link set pod0 up && ip address add ${address}/24 dev cni0 && ip link set cni0 up`,
      );
    }
    await until('pods reach each other', async () => (await answers('one', await pod(WORKER), await pod('one'))) === 3);
    const { address, epoch } = await vip();
    await until(
      'the worker has learned the virtual IP with its epoch',
      async () => (await nodeOf(WORKER)).learned.some((l) => l.prefix === `${address}/128` && l.epoch === epoch),
      BOUND_MS,
      250,
    );
    await until('it answers', async () => (await answers(WORKER, address)) === 3);
  }, 600_000);

  /** Runs while something else does; answers how many were sent and how many of them were lost. */
  const pingDuring = async (what: () => Promise<void>): Promise<{ sent: number; lost: number }> => {
    const ping = rig.lab.spawn('one', ['ping', '-n', '-i', '0.02', '-I', await pod('one'), await pod(WORKER)]);
    let text = '';
    ping.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise<void>((resolve) => ping.once('close', () => resolve()));
    await what();
    // However soon it was over: of a handful of pings nothing can be said.
    await until('enough was sent', async () => text.split('icmp_seq=').length > 6 * FEW_PINGS, BOUND_MS, 100);
    signal(childrenOf(ping.pid!)[0] ?? ping.pid!, 'SIGINT');
    await ended;
    const sent = Number(/(\d+) packets transmitted/.exec(text)![1]);
    const answered = [...text.matchAll(/icmp_seq=(\d+) ttl=/g)].map(([, seq]) => Number(seq));
    // Those after the last answer may still have been under way.
    return { sent, lost: Math.max(sent - FEW_PINGS, answered.at(-1) ?? 0) - answered.length };
  };

  it('brings back a bgpd that was killed, and packets flow meanwhile', async () => {
    const pid = async () => (await sh('two', 'cat /run/drover-frr/*/*/bgpd.pid')).trim();
    const before = await pid();
    const { sent, lost } = await pingDuring(async () => {
      await sh('two', `kill -9 ${before}`);
      await until(
        'another one runs',
        async () =>
          (await pid()) !== before &&
          (await sh('two', `kill -0 $(cat /run/drover-frr/*/*/bgpd.pid) && echo yes || true`)).includes('yes'),
        BOUND_MS,
        100,
      );
      await until('its sessions are up again', allUp, BOUND_MS, 250);
    });
    process.stderr.write(`  bgpd killed: ${lost} of ${sent} pings lost\n`);
    expect(sent).toBeGreaterThan(5 * FEW_PINGS);
    expect(lost).toBeLessThan(FEW_PINGS);
  }, 600_000);

  it('follows a virtual IP on a node whose agent cannot hear the platform', async () => {
    const { id, address, holders } = await vip();
    const to = SERVERS.find((host) => instances.get(host) !== holders[0])!;
    const key = (await peerOf(to)).public_key;
    const route = () => sh(WORKER, `wg show ${device} allowed-ips | grep ${address}/128 || true`);
    expect(await route()).not.toContain(key);
    await sh(
      WORKER,
      `nft 'add table inet cut; add chain inet cut out { type filter hook output priority -400; };
            add chain inet cut in { type filter hook input priority -400; };
            add rule inet cut out oifname eth0 meta l4proto tcp drop; add rule inet cut in iifname eth0 meta l4proto tcp drop'`,
    );
    await rig.operator.call('system_sdwan_failover_virtual_ip', {
      virtual_ip_id: id,
      target_instance_id: instances.get(to),
    });
    const from = performance.now();
    await until('the worker sends to the new holder', async () => (await route()).includes(key), BOUND_MS, 100);
    process.stderr.write(`  learned over BGP ${Math.round(performance.now() - from)} ms after the move\n`);
    await until('which answers', async () => (await answers(WORKER, address)) === 3);
    await sh(WORKER, 'nft delete table inet cut');
  }, 600_000);

  it('becomes a mesh and an ibgp network again while packets flow, and leaves no daemon behind', async () => {
    const daemons = () => sh(WORKER, 'pgrep -c -x "zebra|bfdd|bgpd" || true');
    const mode = (routing_mode: string) =>
      rig.operator.call('system_sdwan_update_network_routing_mode', { network_id: NETWORK, routing_mode });
    const { sent, lost } = await pingDuring(async () => {
      await mode('mesh');
      await until('no daemon is left', async () => (await daemons()).trim() === '0', BOUND_MS, 100);
      await mode('ibgp');
      await until('all sessions are up again', allUp, BOUND_MS, 250);
    });
    process.stderr.write(`  mode changed twice: ${lost} of ${sent} pings lost\n`);
    expect(sent).toBeGreaterThan(5 * FEW_PINGS);
    expect(lost).toBeLessThan(FEW_PINGS);
  }, 600_000);
});
