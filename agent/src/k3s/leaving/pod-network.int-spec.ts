import { systemFiles } from '../../adapters/files.js';
import { systemProcesses } from '../../adapters/processes.js';
import { makeNetwork, realOrExplain, type Netns } from '../../testing/netns.js';
import { PodNetwork } from './pod-network.js';

/** As kube-proxy, the network policies, flannel and portmap of a K3s v1.30 write them, beside an operator's. */
const RULES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:FLANNEL-FWD - [0:0]
:KUBE-NWPLCY-A - [0:0]
:KUBE-POD-FW-A - [0:0]
:KUBE-ROUTER-FORWARD - [0:0]
-A INPUT -i wt0 -m comment --comment "the operator's" -j ACCEPT
-A INPUT -m comment --comment "KUBE-ROUTER rule to explicitly ACCEPT traffic that comply to network policies" -m mark --mark 0x20000/0x20000 -j ACCEPT
-A FORWARD -m comment --comment "kube-router netpol - TEMCG2JMHZYE7H7T" -j KUBE-ROUTER-FORWARD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A KUBE-NWPLCY-A -m set --match-set KUBE-SRC-A src -j MARK --set-xmark 0x10000/0x10000
-A KUBE-POD-FW-A -m comment --comment "when source is the pod's local node" -j KUBE-NWPLCY-A
-A KUBE-ROUTER-FORWARD -d 10.42.0.11/32 -j KUBE-POD-FW-A
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CNI-DN-dae2 - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SVC-A - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-DN-dae2 -s 10.42.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"d6\\"" -m multiport --dports 8080 -j CNI-DN-dae2
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
-A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
COMMIT
`;

const missing = async (): Promise<string> => {
  if (process.getuid?.() !== 0) return 'not root';
  for (const [tool, arg] of [
    ['iptables', '-V'],
    ['nft', '-v'],
    ['ipset', '-v'],
  ] as const)
    if ((await systemProcesses.run(tool, [arg])).code !== 0) return `${tool} is not installed`;
  return '';
};

const real = realOrExplain(await missing(), 'K3s’s rules and sets leave real packet filters');

(real ? describe : describe.skip)('K3s’s share of a real machine’s packet filters', () => {
  let network: Awaited<ReturnType<typeof makeNetwork>>;
  let node: Netns;
  beforeEach(async () => {
    network = await makeNetwork(1);
    node = network.nodes[0]!;
  });
  afterEach(() => network.remove());

  const run = async (line: string, input?: string): Promise<string> => {
    const [command, ...args] = line.split(' ');
    const { code, stdout, stderr } = await node.processes.run(command!, args, input);
    if (code !== 0) throw new Error(`${line}: ${stderr}`);
    return stdout;
  };

  /** `iptables` means the rules in nftables on a Debian of today; K3s may have written to the kernel's old tables. */
  it.each(['iptables-nft', 'iptables-legacy'])(
    'leaves with its sets and chains, whether in %s or not',
    async (program) => {
      for (const set of [
        'KUBE-SRC-A hash:ip',
        'inet6:KUBE-SRC-A hash:ip family inet6',
        'KUBE-LIST list:set',
        'mine hash:ip',
      ])
        await run(`ipset create ${set}`);
      await run('ipset add KUBE-LIST KUBE-SRC-A');
      await run(`${program}-restore`, RULES);
      await run('nft add table ip kube-proxy');
      const { processes } = node;
      const pods = new PodNetwork({ files: systemFiles, processes }, { root: '/nowhere', dataDir: '/nowhere/k3s' });
      expect(await pods.removeRules()).toBe(true);
      expect(await pods.removeSets()).toBe(3);
      const left = (await run(`${program}-save`)).split('\n').filter((line) => /^(-|:\S+ -)/.test(line));
      expect(left).toEqual([expect.stringContaining('-A INPUT -i wt0')]);
      expect((await run('ipset list -n')).trim()).toBe('mine');
      expect(await run('nft list tables')).not.toContain('kube-proxy');
      expect([await pods.removeRules(), await pods.removeSets()]).toEqual([false, 0]);
    },
  );
});
