import { until } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const SERVER = 'one';
const WORKER = 'two';
const [SERVER_V6, WORKER_V6] = ['three', 'four'] as const;
const POD_PREFIX = '10.44.0.0/16';
const POD_PREFIX_V6 = 'fd44:44:44::/48';
const BOUND_MS = 120_000;

interface Pods {
  readonly prefix: string;
  /** What a node gets of it. */
  readonly range: RegExp;
}
interface Peer {
  readonly id: string;
  readonly name: string;
  readonly host_address: string;
  readonly address_v4: string;
  readonly status: string;
  readonly pod_cidrs: readonly string[];
}

describeWithRealParts('pods and networks over real WireGuard', {}, () => {
  let rig: LabRig;
  const instances = new Map<string, string>();

  beforeAll(async () => {
    rig = await LabRig.create({ hosts: [SERVER, WORKER, SERVER_V6, WORKER_V6] });
  });

  afterAll(async () => {
    await rig?.close();
  });

  const network = async (name: string, more: object = {}): Promise<{ id: string; handle: string; cidr_64: string }> =>
    (await rig.operator.call<{ network: { id: string; handle: string; cidr_64: string } }>(
      'system_sdwan_create_network',
      {
        name,
        ...more,
      },
    ))!.network;
  const attach = async (networkName: string, host: string, more: object = {}): Promise<void> =>
    void (await rig.operator.call('system_sdwan_attach_peer', {
      network_id: networkName,
      node_instance_id: instances.get(host),
      ...more,
    }));
  const peers = async (networkName: string): Promise<Peer[]> =>
    (await rig.operator.call<{ peers: Peer[] }>('system_sdwan_list_peers', { network_id: networkName })).peers;
  const peerOf = async (networkName: string, host: string): Promise<Peer> => {
    const { instance } = await rig.operator.call<{ instance: { name: string } }>('system_get_instance', {
      id: instances.get(host),
    });
    return (await peers(networkName)).find((peer) => peer.name === instance.name)!;
  };
  const connected = (networkName: string) =>
    until(
      `both peers of ${networkName} are connected`,
      async () => (await peers(networkName)).filter((peer) => peer.status === 'connected').length === 2,
      BOUND_MS,
      200,
    );
  const sh = async (host: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await rig.lab.exec(host, ['sh', '-c', script]);
    if (code !== 0) throw new Error(`${host}: ${script}: ${stderr}`);
    return stdout;
  };
  /** Answers of three pings; an error (no route, no key) is none. */
  const answers = async (host: string, from: string, to: string): Promise<number> => {
    const { stdout } = await rig.lab.exec(host, ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '1', '-I', from, to]);
    return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
  };

  const clusters = async () =>
    (await rig.operator.call<{ clusters: { id: string }[] }>('kubernetes_list_clusters')).clusters.map(({ id }) => id);
  /** A cluster of a server and a worker in a network of its own. */
  const cluster = async (name: string, hosts: readonly [string, string]): Promise<void> => {
    const others = await clusters();
    const own = async () => (await clusters()).find((id) => !others.includes(id));
    for (const [n, host] of hosts.entries()) {
      const template = `${name}-${host}`;
      await rig.operator.call('system_create_template', { name: template });
      await rig.operator.call('system_assign_module_to_template', {
        ...{ template_id: template, module_name: n === 0 ? 'k3s-server' : 'k3s-agent' },
        // The account's only cluster need not be named.
        ...(n === 0 || others.length === 0 ? {} : { config: { target_cluster_id: await own() } }),
      });
      const { node } = await rig.operator.call<{ node: { id: string } }>('system_create_node', {
        hostname: host,
        node_template_id: template,
      });
      const { instance } = await rig.operator.call<{ instance: { id: string } }>('system_provision_instance', {
        ...{ node_id: node.id, driver: 'lab', cni_plugin: 'flannel' },
      });
      instances.set(host, instance.id);
      await attach(name, host);
      await until('there is its cluster', async () => (await own()) !== undefined, BOUND_MS, 100);
    }
    await connected(name);
    await until(
      'Kubernetes gave both nodes a pod range and the overlay knows it',
      async () => (await peers(name)).every((peer) => peer.pod_cidrs.length === 1),
      BOUND_MS,
      200,
    );
  };
  /** What a CNI does on a node: a bridge with the node's range. Counters show which way packets really go. */
  const pod = async (name: string, host: string, device: string, { prefix, range }: Pods): Promise<string> => {
    const [given] = (await peerOf(name, host)).pod_cidrs;
    expect(given).toMatch(range);
    const address = given!.replace(/(0|:)\/\d+$/, (_, end: string) => (end === ':' ? ':7' : '7'));
    const [ip, length, nodad] = prefix.includes(':') ? ['ip6', 64, 'nodad'] : ['ip', 24, ''];
    await sh(
      host,
      `ip link add cni0 type veth peer name pod0 && ip link set pod0 up && ip address add ${address}/${length} dev cni0 ${nodad} && ip link set cni0 up &&
       nft add table inet capture && nft 'add chain inet capture in { type filter hook input priority -400; }' &&
       nft add rule inet capture in iifname ${device} ${ip} saddr ${prefix} counter &&
       nft add rule inet capture in iifname != ${device} iifname != lo ${ip} saddr ${prefix} counter`,
    );
    return address;
  };
  const carries = async (name: string, handle: string, [server, worker]: readonly [string, string], pods: Pods) => {
    const device = `wg-sdwan-${handle}`;
    const [from, to] = [await pod(name, server, device, pods), await pod(name, worker, device, pods)];
    await until('a pod of one node reaches a pod of the other', async () => (await answers(server, from, to)) === 3);
    const counted = await sh(worker, 'nft list chain inet capture in');
    const [tunnel, plain] = [...counted.matchAll(/counter packets (\d+)/g)].map((m) => Number(m[1]));
    expect(tunnel).toBeGreaterThanOrEqual(3);
    expect(plain).toBe(0);
    const routes = await sh(server, `ip ${pods.prefix.includes(':') ? -6 : -4} route show dev ${device}`);
    expect(routes).toContain((await peerOf(name, worker)).pod_cidrs[0]);
  };

  it('carry a packet between pod addresses of two nodes, inside the tunnel only', async () => {
    const { handle } = await network('pods', { pod_subnet_prefix: POD_PREFIX });
    await cluster('pods', [SERVER, WORKER]);
    const pods = { prefix: POD_PREFIX, range: /^10\.44\.\d+\.0\/24$/ };
    await carries('pods', handle, [SERVER, WORKER], pods);
  });

  it('carry it between IPv6 addresses of pods, in a network whose range is IPv6', async () => {
    const { handle } = await network('pods-v6', { pod_subnet_prefix: POD_PREFIX_V6 });
    await cluster('pods-v6', [SERVER_V6, WORKER_V6]);
    const pods = { prefix: POD_PREFIX_V6, range: /^fd44:44:44:(\d+:)?:\/64$/ };
    await carries('pods-v6', handle, [SERVER_V6, WORKER_V6], pods);
  });

  it('keep two networks on the same hosts apart', async () => {
    await network('tenant-b');
    for (const host of [SERVER, WORKER]) await attach('tenant-b', host, { tags: [`is-${host}`] });
    await connected('tenant-b');
    const address = async (name: string, host: string) => (await peerOf(name, host)).host_address;
    const [aHere, bHere] = [await address('pods', SERVER), await address('tenant-b', SERVER)];
    const [aThere, bThere] = [await address('pods', WORKER), await address('tenant-b', WORKER)];
    await until('inside each network they reach each other', async () => {
      return (await answers(SERVER, aHere, aThere)) === 3 && (await answers(SERVER, bHere, bThere)) === 3;
    });
    expect(await answers(SERVER, aHere, bThere)).toBe(0);
    expect(await answers(SERVER, bHere, aThere)).toBe(0);
    // Not even when somebody sends the other network's packets into the tunnel by hand: they die there.
    const { handle } = (
      await rig.operator.call<{ network: { handle: string } }>('system_sdwan_get_network', { id: 'pods' })
    ).network;
    const detour = `${bThere}/128 dev wg-sdwan-${handle} metric 1`;
    await sh(SERVER, `ip -6 route add ${detour}`);
    expect(await answers(SERVER, aHere, bThere)).toBe(0);
    await sh(SERVER, `ip -6 route del ${detour}`);
    const summary = await rig.operator.call<object>('system_sdwan_get_routing_summary', { network_id: 'pods' });
    expect(JSON.stringify(summary)).not.toContain(bHere.split('::')[0]);
  });

  it('enforce a firewall rule, and take it back', async () => {
    const [here, there] = [await peerOf('tenant-b', SERVER), await peerOf('tenant-b', WORKER)];
    const ping = () => answers(SERVER, here.host_address, there.host_address);
    await until('it is pinged', async () => (await ping()) === 3);
    const { firewall_rule } = await rig.operator.call<{ firewall_rule: { resolves: { source: string[] } } }>(
      'system_sdwan_create_firewall_rule',
      { network_id: 'tenant-b', name: 'no-ping', action: 'drop', protocol: 'icmp', src_selector: `peer:${here.name}` },
    );
    expect(firewall_rule.resolves.source).toContain(`${here.host_address}/128`);
    await until('pings of that peer are dropped', async () => (await ping()) === 0);
    // The other way is open: replies to what was allowed pass.
    const back = () => answers(WORKER, there.host_address, here.host_address);
    await until('the other way is pinged', async () => (await back()) === 3);
    await rig.operator.call('system_sdwan_delete_firewall_rule', { name: 'no-ping' });
    await until('the rule is gone', async () => (await ping()) === 3);
  });

  it('drop what is from a tag or a prefix or for a virtual IP, and nothing else', async () => {
    const [here, there] = [await peerOf('tenant-b', SERVER), await peerOf('tenant-b', WORKER)];
    const { network: tenant } = await rig.operator.call<{ network: { cidr_v4: string; handle: string } }>(
      'system_sdwan_get_network',
      { id: 'tenant-b' },
    );
    const { virtual_ip } = await rig.operator.call<{ virtual_ip: { address: string } }>(
      'system_sdwan_create_virtual_ip',
      { network_id: 'tenant-b', name: 'web', candidates: [here.name] },
    );
    const vip = virtual_ip.address;
    /** One packet there and one back. */
    const passes = async (host: string, from: string, to: string) =>
      (await rig.lab.exec(host, ['ping', '-n', '-c', '1', '-W', '0.5', '-I', from, to])).code === 0;
    /** How many packets a rule about an address has dropped on a machine since it was written. */
    const dropped = async (host: string, about: string) => {
      const chain = await sh(host, `nft list chain inet drover_wg_sdwan_${tenant.handle} ingress`);
      const line = chain.split('\n').find((one) => one.includes(`${about} `) && one.trim().endsWith('drop'));
      return Number(/packets (\d+)/.exec(line ?? '')?.[1] ?? 0);
    };
    const toServer = () => passes(WORKER, there.host_address, here.host_address);
    const rules = [
      {
        rule: { name: 'by-tag', src_selector: `tag:is-${SERVER}` },
        flow: () => passes(SERVER, here.host_address, there.host_address),
        dies: () => dropped(WORKER, here.host_address),
      },
      {
        rule: { name: 'by-cidr', src_selector: `cidr:${tenant.cidr_v4}` },
        flow: () => passes(WORKER, there.address_v4, here.address_v4),
        dies: () => dropped(SERVER, tenant.cidr_v4),
      },
      {
        rule: { name: 'by-vip', dst_selector: 'vip:web' },
        flow: () => passes(WORKER, there.host_address, vip),
        dies: () => dropped(SERVER, vip),
      },
    ];
    for (const { rule, flow } of rules) await until(`without ${rule.name} it passes`, flow);
    await until('the server is reached', toServer);
    for (const { rule } of rules)
      await rig.operator.call('system_sdwan_create_firewall_rule', {
        ...{ network_id: 'tenant-b', action: 'drop', protocol: 'icmp' },
        ...rule,
      });
    // Lost is not dropped: the rule itself has counted it.
    for (const { rule, flow, dies } of rules)
      await until(`it is dropped ${rule.name}`, async () => !(await flow()) && (await dies()) > 0);
    await until('what no rule is about passes all the same', toServer);
    for (const { rule } of rules) await rig.operator.call('system_sdwan_delete_firewall_rule', { name: rule.name });
    for (const { rule, flow } of rules) await until(`it passes again without ${rule.name}`, flow);
  });

  it('are repaired when somebody changes them by hand, which is written down', async () => {
    const there = await peerOf('pods', WORKER);
    const { network } = await rig.operator.call<{ network: { interface_name: string } }>('system_sdwan_get_network', {
      id: 'pods',
    });
    const device = network.interface_name;
    const key = (
      await rig.operator.call<{ peer: { public_key: string } }>('system_sdwan_get_peer', { peer_id: there.id })
    ).peer.public_key;
    const allowed = () => sh(SERVER, `wg show ${device} allowed-ips`);
    expect(await allowed()).toContain(`${there.host_address}/128`);
    await sh(
      SERVER,
      `wg set ${device} peer '${key}' allowed-ips 192.0.2.1/32 && ip -6 route flush dev ${device} proto 219`,
    );
    const from = performance.now();
    await until('the agent put it right', async () => (await allowed()).includes(`${there.host_address}/128`));
    process.stderr.write(`  drift repaired after ${Math.round(performance.now() - from)} ms\n`);
    await until('the log tells', async () => {
      const { events } = await rig.operator.call<{ events: { payload: { what: string[] } }[] }>('recent_events', {
        kind_prefix: 'system.sdwan.peer.drift_repaired',
      });
      return events.some(
        ({ payload }) => payload.what.includes('peers') && payload.what.includes('addresses and routes'),
      );
    });
  });

  it('are brought back whole when wireguard-go is killed', async () => {
    const [here, there] = [await peerOf('pods', SERVER), await peerOf('pods', WORKER)];
    const { handle } = (
      await rig.operator.call<{ network: { handle: string } }>('system_sdwan_get_network', { id: 'pods' })
    ).network;
    const device = `wg-sdwan-${handle}`;
    const whole = async () => {
      const listing = await sh(
        SERVER,
        `ip -o address show dev ${device} scope global | cut -d' ' -f2-; ip -4 route show dev ${device}; ip -6 route show dev ${device};
         wg show ${device} listen-port; wg show ${device} public-key; wg show ${device} allowed-ips;
         nft -s list table inet drover_${device.replaceAll('-', '_')}`,
      );
      const lines = listing.split('\n').map((line) => line.trim().split(/\s+/).sort().join(' '));
      return lines.filter((line) => line !== '').sort();
    };
    /** No two devices of a machine have ever had the same. */
    const index = async () => (await sh(SERVER, `ip -o link show dev ${device} | cut -d: -f1`)).trim();
    await rig.operator.call('system_sdwan_create_firewall_rule', {
      ...{ network_id: 'pods', name: 'stays', action: 'drop', src_selector: 'cidr:192.0.2.0/24' },
    });
    await until('the rule stands', async () => (await whole()).some((line) => line.includes('192.0.2.0/24')));
    const [before, old] = [await whole(), await index()];
    for (const part of [here.host_address, there.host_address, here.address_v4, ...there.pod_cidrs])
      expect(before.join('\n')).toContain(part);
    // By a pid of the machine's own, on the machine: here that number is another process. The brackets keep the shell out.
    await sh(SERVER, `kill -9 $(pgrep -f '[w]ireguard-go -f ${device}')`);
    await until('there is another device', async () => !['', old].includes(await index()));
    await until('the tunnel is back', async () => (await answers(SERVER, here.host_address, there.host_address)) === 3);
    let after = before;
    await until('all of it is back', async () => {
      after = await whole();
      return after.join() === before.join();
    }).finally(() => expect(after).toEqual(before));
  });

  it('refuse a prefix that overlaps, with the conflict and a free one named', async () => {
    const overlapping = rig.operator.call('system_sdwan_create_network', {
      name: 'c',
      pod_subnet_prefix: '10.44.128.0/20',
    });
    await expect(overlapping).rejects.toThrow(/pod_subnet_prefix_overlap[\s\S]*10\.44\.0\.0\/16/);
    const changed = rig.operator.call('system_sdwan_update_network', {
      network_id: 'pods',
      pod_subnet_prefix: '10.50.0.0/16',
    });
    await expect(changed).rejects.toThrow(/pod_subnet_prefix_immutable/);
  });
});
