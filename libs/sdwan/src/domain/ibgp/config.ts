import { contains, formatCidr, mustCidr, network as networkOf } from '../ip.js';
import type { NetworkView, PeerView } from '../wireguard-compiler/model.js';
import type { BgpSession } from './sessions.js';

/**
 * FRR's configuration as it prints it itself: lines under a path of contexts. The agent adds what only it knows (the virtual
 * IPs that it holds) and brings a running daemon from one configuration to the next, line by line.
 */
export interface ConfigBlock {
  readonly path: readonly string[];
  readonly lines: readonly string[];
}

/** Private; every network is a system of its own, so all of them may use the same number. */
export const ASN = 64_512;
/** Not 179: that belongs to whatever routing daemon the operator, or a CNI, runs on the node. */
export const BGP_PORT = 1_790;
const PEERS = 'overlay';
const CLIENTS = 'overlay-clients';
const FILTER = 'overlay-in';
/** Virtual IPs are ::100 to ::fff of the /64. */
const VIP_RANGE = 116;

/** As a configuration file has it: for people, who compare it with what their own daemons print. There are no secrets in it. */
export const configText = (blocks: readonly ConfigBlock[]): string =>
  blocks
    .flatMap(({ path, lines }) => [
      ...path.map((context, depth) => ' '.repeat(depth) + context),
      ...lines.map((line) => ' '.repeat(path.length) + line),
      '!',
    ])
    .join('\n');

const v6 = (prefix: string): boolean => prefix.includes(':');

/** What a node's daemon announces of itself: its pods, and the LANs that it is the gateway to. Virtual IPs are announced by whoever holds them, and only while they do. */
export const ownPrefixes = (peer: PeerView): string[] =>
  [...peer.podCidrs, ...peer.lanSubnets].map((prefix) => formatCidr(networkOf(mustCidr(prefix)))).sort();

export const bfddConfig = (): ConfigBlock[] => [
  {
    path: ['bfd', `profile ${PEERS}`],
    // A dead path is noticed after 0.9 s. Faster would be found dead by a busy machine's scheduler.
    lines: ['detect-multiplier 3', 'transmit-interval 300', 'receive-interval 300'],
  },
];

export const bgpdConfig = (
  self: PeerView,
  sessions: readonly BgpSession[],
  filters: readonly ConfigBlock[],
): ConfigBlock[] => [
  ...filters,
  { path: [`router bgp ${ASN}`], lines: [...general(self, sessions), ...sessions.flatMap(neighbour)] },
  family('ipv4', self, sessions),
  family('ipv6', self, sessions),
];

const general = (self: PeerView, sessions: readonly BgpSession[]): string[] => [
  `bgp router-id ${self.addressV4}`,
  'no bgp default ipv4-unicast',
  // A daemon that is killed and comes back within two minutes has not lost its node: the others keep what it said.
  'bgp graceful-restart',
  'no bgp network import-check',
  'timers bgp 3 9',
  ...groupsOf(sessions).flatMap((group) => [
    `neighbor ${group} peer-group`,
    `neighbor ${group} remote-as ${ASN}`,
    `neighbor ${group} bfd`,
    `neighbor ${group} bfd profile ${PEERS}`,
    `neighbor ${group} update-source ${self.addressV6}`,
    `neighbor ${group} timers connect 3`,
  ]),
];

const reflects = (sessions: readonly BgpSession[]): boolean => sessions.some(({ kind }) => kind === 'client');
const groupOf = (session: BgpSession): string => (session.kind === 'client' ? CLIENTS : PEERS);
/** The peers' group is always there: a node alone in its network is waiting for others. */
const groupsOf = (sessions: readonly BgpSession[]): string[] => [PEERS, ...(reflects(sessions) ? [CLIENTS] : [])];

const neighbour = (session: BgpSession): string[] => [
  `neighbor ${session.peer.addressV6} peer-group ${groupOf(session)}`,
  `neighbor ${session.peer.addressV6} port ${BGP_PORT}`,
];

const family = (name: 'ipv4' | 'ipv6', self: PeerView, sessions: readonly BgpSession[]): ConfigBlock => ({
  path: [`router bgp ${ASN}`, `address-family ${name} unicast`],
  lines: [
    ...ownPrefixes(self)
      .filter((prefix) => v6(prefix) === (name === 'ipv6'))
      .map((prefix) => `network ${prefix}`),
    ...groupsOf(sessions).flatMap((group) => [
      `neighbor ${group} activate`,
      ...(group === CLIENTS ? [`neighbor ${group} route-reflector-client`] : []),
      // A reflector would pass on its best path only: what a node that is no candidate says of a virtual IP would hide what its
      // holder says from all clients. Each node judges by itself, so each gets to know all of it.
      ...(reflects(sessions) ? [`neighbor ${group} addpath-tx-all-paths`] : []),
      `neighbor ${group} route-map ${FILTER} in`,
    ]),
  ],
});

/** A neighbour may say something about pods, LANs and virtual IPs of this network, and about nothing else. */
export const filtersOf = (network: NetworkView): ConfigBlock[] => {
  const pods = network.podSubnetPrefix;
  const allowed = [
    `${formatCidr({ ...networkOf(mustCidr(network.cidr64)), length: VIP_RANGE })} ge 128`,
    ...(pods === null ? [] : [`${pods} le ${v6(pods) ? 128 : 32}`]),
    ...lansOf(network).filter((lan) => pods === null || !contains(mustCidr(pods), mustCidr(lan))),
  ];
  const result: ConfigBlock[] = [];
  for (const [kind, order] of [
    ['ip', 10],
    ['ipv6', 20],
  ] as const) {
    const rules = allowed.filter((rule) => v6(rule) === (kind === 'ipv6'));
    if (rules.length === 0) continue;
    const lines = rules.map((rule, n) => `${kind} prefix-list ${FILTER} seq ${5 * (n + 1)} permit ${rule}`);
    result.push(
      { path: [], lines },
      {
        path: [`route-map ${FILTER} permit ${order}`],
        lines: [`match ${kind === 'ip' ? 'ip' : 'ipv6'} address prefix-list ${FILTER}`],
      },
    );
  }
  return result;
};

const lansOf = (network: NetworkView): string[] =>
  [...new Set([...network.peers.values()].flatMap(ownPrefixes))].sort();
