import { compileFirewall } from '../wireguard-compiler/firewall.js';
import type { FirewallRuleView, NetworkView, PeerView } from '../wireguard-compiler/model.js';
import { firewallDecider, type FirewallCommand, type FirewallRuleState } from './decide.js';
import type { FirewallRuleSpec } from './events.js';

const ids = {
  firewall_rule_id: 'firewall_rule-00000000-0000-4000-8000-000000000001',
  network_id: 'sdwan_network-00000000-0000-4000-8000-000000000001',
} as const;
const spec: FirewallRuleSpec = {
  name: 'api-closed',
  priority: 1_000,
  action: 'drop',
  direction: 'ingress',
  protocol: 'tcp',
  ports: [6443, 6443],
  source: { kind: 'all' },
  destination: { kind: 'all' },
  enabled: true,
};

const run = (...commands: readonly FirewallCommand[]) => {
  let state: FirewallRuleState = firewallDecider.initial;
  const said: string[] = [];
  for (const command of commands) {
    const decision = firewallDecider.decide(command, state);
    if (decision.kind === 'reject') said.push(`${decision.refusal.code} ${decision.refusal.field ?? ''}`.trim());
    if (decision.kind !== 'accept') continue;
    said.push(...decision.events.map((event) => event.type.slice('system.sdwan.firewall_rule.'.length)));
    state = decision.events.reduce(firewallDecider.evolve, state);
  }
  return { said, state };
};
const create = (more: Partial<FirewallRuleSpec> = {}): FirewallCommand => ({
  kind: 'create',
  ids,
  rule: { ...spec, ...more },
});

describe('a firewall rule', () => {
  it('is created once, changed only when something changes, and deleted once', () => {
    const { said } = run(
      create(),
      create(),
      { kind: 'update', change: { priority: 1_000 } },
      { kind: 'update', change: { priority: 5 } },
      { kind: 'delete' },
      { kind: 'delete' },
      { kind: 'update', change: { priority: 6 } },
    );
    expect(said).toEqual(['created', 'updated', 'deleted', 'firewall_rule_deleted']);
  });

  it.each([
    [{ protocol: 'any' as const }, 'ports_need_protocol port_range'],
    [{ ports: [9, 8] as [number, number] }, 'port_range_invalid port_range'],
    [{ ports: [0, 8] as [number, number] }, 'port_range_invalid port_range'],
    [{ source: { kind: 'cidr' as const, cidr: 'fd00::/640' } }, 'cidr_invalid src_selector'],
    [{ destination: { kind: 'cidr' as const, cidr: 'here' } }, 'cidr_invalid dst_selector'],
  ])('is refused with %o', (more, code) => {
    expect(run(create(more)).said).toEqual([code]);
    expect(run(create({ ports: null }), { kind: 'update', change: { ports: [6443, 6443], ...more } }).said).toEqual([
      'created',
      code,
    ]);
  });

  it('keeps a prefix without host bits', () => {
    const { state } = run(create({ source: { kind: 'cidr', cidr: '10.1.2.3/8' } }));
    expect(state).toMatchObject({ rule: { source: { cidr: '10.0.0.0/8' } } });
  });
});

describe('the compiled firewall of a network', () => {
  const peer = (n: number, tags: string[] = [], podCidrs: string[] = []) =>
    ({
      peerId: `sdwan_peer-${n}`,
      addressV6: `fd00::${n}`,
      addressV4: `100.64.0.${n}`,
      tags,
      podCidrs,
    }) as unknown as PeerView;
  const compile = (rules: readonly Partial<FirewallRuleSpec>[]) => {
    const firewall = new Map(
      rules.map((rule, n): [string, FirewallRuleView] => [
        `r${n}`,
        { ruleId: `r${n}`, rule: { ...spec, ...rule }, since: n },
      ]),
    );
    const peers = new Map(
      [peer(1, ['ws']), peer(2, ['ws', 'db'], ['10.42.2.0/24']), peer(3)].map((p) => [p.peerId, p]),
    );
    const vip = { address: 'fd00::100', status: 'active' };
    const network = { peers, virtualIps: new Map([['virtual_ip-1', vip]]), firewall } as unknown as NetworkView;
    return compileFirewall(network);
  };

  it('puts rules in the order of priority, then age, and leaves out what is disabled', () => {
    const rules = compile([{ priority: 5 }, { priority: 1 }, { priority: 5 }, { enabled: false }]);
    expect(rules.map((rule) => rule.rule_id)).toEqual(['r1', 'r0', 'r2']);
    expect(rules.map((rule) => rule.order)).toEqual([0, 1, 2]);
  });

  it('resolves selectors to addresses and pods', () => {
    const [tag, one, vip, all] = compile([
      { source: { kind: 'tag', tag: 'ws' } },
      { source: { kind: 'peer', peer_id: 'sdwan_peer-2' as never } },
      { destination: { kind: 'vip', virtual_ip_id: 'virtual_ip-1' as never } },
      {},
    ]);
    const second = ['fd00::2/128', '100.64.0.2/32', '10.42.2.0/24'];
    expect(tag!.source).toEqual(['fd00::1/128', '100.64.0.1/32', ...second].sort());
    expect(one!.source).toEqual(second);
    expect(vip!.destination).toEqual(['fd00::100/128']);
    expect(all!.source).toBeNull();
  });

  it('fails closed: what stands for nothing matches nothing', () => {
    const nobody = compile([
      { action: 'accept', source: { kind: 'tag', tag: 'no-such-tag' } },
      { action: 'accept', source: { kind: 'peer', peer_id: 'sdwan_peer-9' as never } },
      { destination: { kind: 'vip', virtual_ip_id: 'virtual_ip-9' as never } },
    ]);
    expect(nobody).toEqual([]);
  });
});
