import type { FirewallItem, InterfaceItem } from '#proto';
import { canonicalPrefix, contains, isV6 } from './cidr.js';

/** `drover_wg_sdwan_<handle>`: one table an interface. */
export const firewallTable = (device: string): string => `drover_${device.replaceAll('-', '_')}`;

/** One hop and several (RFC 5881, 5883). */
const BFD_PORTS = [3784, 4784];

/** Takes the table away, also when there is none. */
export const removalScript = (device: string): string =>
  `add table inet ${firewallTable(device)}\ndelete table inet ${firewallTable(device)}\n`;

/**
 * The firewall of one overlay interface in one transaction: an earlier one is replaced without a moment without rules.
 * Stateless for what somebody starts, so that a new rule also cuts what is established; replies to what was allowed pass.
 * Without rules the table stands all the same: it makes the kernel track connections, so that a rule that comes later knows
 * who started each of them. The datagrams with which virtual IPs are kept and moved always pass.
 *
 * An accepted packet returns to the hook, where the other direction's rules still count (a hub forwards), and passes there.
 */
export const firewallScript = (
  device: string,
  rules: readonly FirewallItem[],
  leasePort: number,
  /** In an ibgp network: the routing daemons' BGP, with which their BFD passes. */
  bgpPort?: number,
  lan?: InterfaceItem['lan'],
): string => {
  const table = firewallTable(device);
  const hook = (name: 'input' | 'forward' | 'output', ...jumps: string[]) => [
    `  chain ${name} {`,
    `    type filter hook ${name} priority -10; policy accept;`,
    ...jumps.map((jump) => `    ${jump}`),
    '  }',
  ];
  const chain = (direction: FirewallItem['direction']) => [
    `  chain ${direction} {`,
    '    ct direction reply return',
    `    udp dport ${leasePort} return`,
    ...(bgpPort === undefined
      ? []
      : [`    tcp dport ${bgpPort} return`, `    udp dport { ${BFD_PORTS.join(', ')} } return`]),
    ...rules.filter((rule) => rule.direction === direction).flatMap((rule) => lines(rule).map((l) => `    ${l}`)),
    '  }',
  ];
  const [from, to] = [`iifname "${device}" jump ingress`, `oifname "${device}" jump egress`];
  return [
    removalScript(device).trimEnd(),
    `table inet ${table} {`,
    ...chain('ingress'),
    ...chain('egress'),
    ...hook('input', from),
    ...hook('forward', ...gatewayJumps(device, lan), from, to),
    ...hook('output', to),
    ...gatewayChains(device, lan),
    '}',
    '',
  ].join('\n');
};

/**
 * Between the overlay and other interfaces a gateway forwards what is for or from its LANs, and what is the cluster's. A hub
 * without LANs lets nobody out to what is beside it; what its pods and the node itself send, other peers judge by its address.
 */
const gatewayJumps = (device: string, lan: InterfaceItem['lan']): string[] => {
  if (lan === undefined) return [];
  const out = `iifname "${device}" oifname != "${device}" jump to_lan`;
  return lan.subnets.length === 0 ? [out] : [out, `iifname != "${device}" oifname "${device}" jump from_lan`];
};

const gatewayChains = (device: string, lan: InterfaceItem['lan']): string[] => {
  if (lan === undefined) return [];
  const allowed = (direction: 'saddr' | 'daddr') => ofFamilies([...lan.subnets, ...lan.also], direction);
  const chain = (name: string, lines: readonly string[]) => [
    `  chain ${name} {`,
    '    ct direction reply return',
    '    ct status dnat return',
    ...lines.map((line) => `    ${line} return`),
    '    counter drop',
    '  }',
  ];
  const to = chain('to_lan', allowed('daddr'));
  if (lan.subnets.length === 0) return to;
  const postrouting = lan.masquerade
    ? [
        '  chain to_lan_source {',
        '    type nat hook postrouting priority 100; policy accept;',
        ...ofFamilies(lan.subnets, 'daddr').map(
          (line) => `    iifname "${device}" oifname != "${device}" ${line} masquerade`,
        ),
        '  }',
      ]
    : [];
  return [...to, ...chain('from_lan', allowed('saddr')), ...postrouting];
};

const ofFamilies = (prefixes: readonly string[], direction: 'saddr' | 'daddr'): string[] =>
  (['ip', 'ip6'] as const).flatMap((family) => {
    const own = widest(prefixes.filter((prefix) => isV6(prefix) === (family === 'ip6')));
    return own.length === 0 ? [] : [`${family} ${direction} { ${own.join(', ')} }`];
  });

/** One line for each address family that the rule is about. */
const lines = (rule: FirewallItem): string[] => {
  const end = [...protocol(rule), 'counter', rule.action === 'accept' ? 'return' : 'drop'].join(' ');
  if (rule.source === null && rule.destination === null) return [end];
  return (['ip', 'ip6'] as const).flatMap((family) => {
    const of = (prefixes: readonly string[] | null) =>
      prefixes === null ? null : widest(prefixes.filter((prefix) => isV6(prefix) === (family === 'ip6')));
    const [source, destination] = [of(rule.source), of(rule.destination)];
    if (source?.length === 0 || destination?.length === 0) return [];
    const match = [
      ...(source === null ? [] : [`${family} saddr { ${source.join(', ')} }`]),
      ...(destination === null ? [] : [`${family} daddr { ${destination.join(', ')} }`]),
    ];
    return [`${match.join(' ')} ${end}`];
  });
};

const protocol = ({ protocol: name, ports }: FirewallItem): string[] => {
  if (name === 'any') return [];
  if (name === 'icmp') return ['meta l4proto { icmp, ipv6-icmp }'];
  return [ports === null ? `meta l4proto ${name}` : `${name} dport ${ports[0]}-${ports[1]}`];
};

/** Without prefixes that lie inside another: nft refuses sets whose intervals overlap. */
const widest = (prefixes: readonly string[]): string[] => {
  const all = [...new Set(prefixes.map(canonicalPrefix))];
  const length = (prefix: string) => Number(prefix.split('/')[1]);
  return all
    .filter((prefix) => !all.some((o) => o !== prefix && length(o) <= length(prefix) && contains(o, prefix)))
    .sort();
};
