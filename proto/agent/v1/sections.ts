import { hash } from 'node:crypto';
import { z } from 'zod';

/**
 * The desired state of a node: named sections of keyed JSON items. Both sides parse items with these schemas; unknown
 * fields are ignored, so that an older agent can live with a newer platform.
 *
 *   section                 items
 *   network/<network id>    interface · peer/<peer id> · route/<prefix> · vip/<virtual ip id> · firewall/<rule id> · bgp
 *   modules                 module/<module name>
 *   docker                  engine
 */
export const interfaceItem = z.object({
  network_id: z.string(),
  peer_id: z.string(),
  /** At most 15 characters: `wg-sdwan-` and the network's six-digit handle. */
  name: z.string().max(15),
  /** With prefix length: the peer's /128 and /32. */
  addresses: z.array(z.string()),
  listen_port: z.number().int(),
  mtu: z.number().int(),
  /** Hubs forward between spokes, gateways between the overlay and their LANs. */
  forwarding: z.boolean(),
  /** This node is to have a further key ready, and to announce it under this number (PeerKey). */
  rotation: z.number().int().optional(),
  /** Of a gateway: what may be forwarded between the overlay and other interfaces of this node. */
  lan: z
    .object({
      /** LANs behind this node. */
      subnets: z.array(z.string()),
      /** Other prefixes whose packets pass as before: pods. */
      also: z.array(z.string()),
      /** Packets into the LANs get this node's own address as their source. */
      masquerade: z.boolean(),
    })
    .optional(),
  /**
   * Of a hub without LANs: nothing from the overlay goes out to other interfaces, but to these prefixes (pods). Not said as a
   * `lan` without subnets: to an agent of before that would mean to cut the way in as well, and to forward nothing without nft.
   */
  guard: z.object({ also: z.array(z.string()) }).optional(),
});
export type InterfaceItem = z.infer<typeof interfaceItem>;

export const peerItem = z.object({
  peer_id: z.string(),
  instance_id: z.string().nullable(),
  public_key: z.string(),
  /** The peer is about to take up this key: WireGuard's peer for it is made beside, and gets the prefixes when it shakes hands. */
  next_public_key: z.string().optional(),
  /** Best first, `host:port`, `[v6]:port` or `name:port`. The agent tries the next one when no handshake follows. */
  endpoints: z.array(z.string()),
  /** Disjoint over the peers of one interface. VIPs are not here but in vip items. */
  allowed_ips: z.array(z.string()),
  persistent_keepalive: z.number().int(),
});
export type PeerItem = z.infer<typeof peerItem>;

export const routeItem = z.object({
  prefix: z.string(),
  /** `unreachable` makes callers fail at once instead of hanging. */
  kind: z.enum(['device', 'unreachable']),
});
export type RouteItem = z.infer<typeof routeItem>;

export const vipItem = z.object({
  vip_id: z.string(),
  network_id: z.string(),
  /** IPv6 address without prefix length. */
  address: z.string(),
  epoch: z.number().int(),
  holder_peer_id: z.string().nullable(),
  /** The WireGuard peer of this node behind which the VIP is; null when this node holds it or nobody does. */
  route_peer_id: z.string().nullable(),
  /** This node's own part. */
  role: z.enum(['holder', 'candidate', 'member']),
  /** The previous holder, told to release only after everybody else has moved on (make before break). */
  release_after_move: z.boolean(),
  /** Null with a single candidate: nobody could take over, so there is nothing to fence. */
  lease: z
    .object({
      beat_ms: z.number().int(),
      ttl_ms: z.number().int(),
      /** Every candidate with its overlay address, this node included. */
      voters: z.array(z.object({ peer_id: z.string(), address: z.string() })),
      /** With an even number of candidates the platform votes too. */
      platform_votes: z.boolean(),
    })
    .nullable(),
});
export type VipItem = z.infer<typeof vipItem>;

/** How far the platform had read its log when it said this: a section of an earlier generation may not know the VIP yet. */
const readTo = z.string().regex(/^\d+$/).optional();

/** The body of Vip. Agents of before heed only the item in it, platforms of before say no more. */
export const vipWord = vipItem.extend({ read_to: readTo });
export type VipWord = z.infer<typeof vipWord>;

/** The body of VipPrepare. */
export const vipPreparation = z.object({
  /** As it is to be carried out when the new holder answers. */
  item: vipItem,
  /** Overlay address of the new holder: whoever else says that it answers is not believed. */
  holder_address: z.string(),
  /** For the new holder: overlay addresses of everybody to be told. */
  tell: z.array(z.string()),
  read_to: readTo,
});
export type VipPreparation = z.infer<typeof vipPreparation>;

export const firewallItem = z.object({
  rule_id: z.string(),
  /** Place among the rules of the network: the first that matches decides, what none matches is accepted. */
  order: z.number().int(),
  action: z.enum(['accept', 'drop']),
  direction: z.enum(['ingress', 'egress']),
  protocol: z.enum(['any', 'tcp', 'udp', 'icmp']),
  /** First and last destination port; null for all. */
  ports: z.tuple([z.number().int(), z.number().int()]).nullable(),
  /** Prefixes of one or both families; null for everything. */
  source: z.array(z.string()).nullable(),
  destination: z.array(z.string()).nullable(),
});
export type FirewallItem = z.infer<typeof firewallItem>;

/** Lines of the routing daemon's configuration under a path of contexts. Printable ASCII: a line is a line. */
const configBlock = z.object({
  path: z.array(z.string().regex(/^[!-~]+( [!-~]+)*$/)),
  lines: z.array(z.string().regex(/^[!-~]+( [!-~]+)*$/)),
});
export type ConfigBlock = z.infer<typeof configBlock>;

/** Present in ibgp networks: what the node's routing daemon (FRR) is to run with, and whose word counts for what. */
export const bgpItem = z.object({
  network_id: z.string(),
  asn: z.number().int(),
  port: z.number().int(),
  /** The node's own overlay address, on which the daemon listens. */
  address: z.string(),
  role: z.enum(['peer', 'client', 'reflector']),
  /** `client`: this node reflects to it, and it speaks for nobody else. */
  neighbors: z.array(z.object({ peer_id: z.string(), address: z.string(), client: z.boolean().optional() })),
  /** Inside it a node may announce what nobody else has, before the platform has told. */
  pod_prefix: z.string().nullable(),
  /** Only a candidate may announce a virtual IP. */
  virtual_ips: z.array(z.object({ vip_id: z.string(), address: z.string(), candidates: z.array(z.string()) })),
  bfdd: z.array(configBlock),
  bgpd: z.array(configBlock),
});
export type BgpItem = z.infer<typeof bgpItem>;

const k3sCommon = {
  assignment_id: z.string(),
  /** `wait`: something is missing, `reason` says what; `stop`: decommissioned or suspended. */
  state: z.enum(['run', 'wait', 'stop']),
  reason: z.string(),
  cluster_id: z.string().nullable(),
  node_name: z.string(),
  /** Overlay IPv6 and IPv4 addresses, for --node-ip. */
  node_ips: z.array(z.string()),
  /** Further command line arguments, e.g. flannel's. */
  args: z.array(z.string()),
  /**
   * Where the binary comes from when it is not on the node: an absolute path, or an https URL with its sha256. With `version`
   * it is a version of the catalogue: the program must report it, and with a digest it is kept under that.
   */
  binary: z.object({
    path: z.string().optional(),
    url: z.string().optional(),
    sha256: z.string().optional(),
    version: z.string().optional(),
  }),
  /** Counts up when the certificates are to be made anew. */
  certificate_generation: z.number().int().optional(),
  /** Counts up when K3s is to be started with the server token of that generation, which comes through the Tunnel. */
  token_generation: z.number().int().optional(),
};

export const k3sServerSpec = z.object({
  kind: z.literal('k3s_server'),
  ...k3sCommon,
  /** `init` runs --cluster-init (the claimant); `join` asks for a token and starts with --server. */
  role: z.enum(['init', 'join']),
  tls_san: z.array(z.string()),
  api_endpoint: z.string().nullable(),
  /** The cluster exists already: a server that has lost its disk joins it and never makes another, whatever its role. */
  bootstrapped: z.boolean().default(false),
  /** The cluster counts this node among its own. */
  member: z.boolean().default(true),
  /** `external`: the endpoint comes with the answer to join_request, which the claimant asks for as well. */
  datastore: z.enum(['etcd', 'external']).default('etcd'),
  /** Changes when the endpoint does, so that it is asked for again. */
  datastore_version: z.string().default(''),
});
export type K3sServerSpec = z.infer<typeof k3sServerSpec>;

export const k3sAgentSpec = z.object({
  kind: z.literal('k3s_agent'),
  ...k3sCommon,
  target_cluster_id: z.string().nullable(),
});
export type K3sAgentSpec = z.infer<typeof k3sAgentSpec>;

/** The `docker` section's one item, `engine`. */
export const dockerSpec = z.object({
  assignment_id: z.string(),
  /** As in K3s's: `wait` for what `reason` says, `stop` when it was decommissioned. */
  state: z.enum(['run', 'wait', 'stop']),
  reason: z.string(),
  node_name: z.string(),
  /** The overlay address that the API is bound to, and the only name in its certificate. */
  address: z.string(),
  port: z.number().int(),
  /** The daemon's program: a path, or a name on the PATH. */
  binary: z.string(),
  /** Further keys of daemon.json; the ones that make it safe are the agent's. */
  daemon_options: z.record(z.string(), z.unknown()),
  /** Of the local API; /var/run/docker.sock when absent. */
  socket_path: z.string().startsWith('/').optional(),
});
export type DockerSpec = z.infer<typeof dockerSpec>;

export const moduleItem = z.object({
  name: z.string(),
  assignment_id: z.string(),
  priority: z.number().int(),
  config: z.record(z.string(), z.unknown()),
  /** What a runtime driver needs; null for modules without one. */
  runtime: z.discriminatedUnion('kind', [k3sServerSpec, k3sAgentSpec]).nullable(),
});
export type ModuleItem = z.infer<typeof moduleItem>;

/** Tells arguments apart without repeating them. */
export const argsDigest = (args: readonly string[]): string => hash('sha256', JSON.stringify(args)).slice(0, 16);

export type SectionItems = ReadonlyMap<string, Uint8Array>;

const digests = new WeakMap<Uint8Array, string>();

/** Of the same bytes object it is computed once: most of a section stays as it is from one change to the next. */
export const itemDigest = (value: Uint8Array): string => {
  let digest = digests.get(value);
  if (digest === undefined) digests.set(value, (digest = hash('sha256', value)));
  return digest;
};

export const itemLine = (key: string, digest: string): string => `${key}\0${digest}\n`;

/** The hash both sides compute: hex sha256 over the sorted lines `key NUL sha256(value) LF`. */
export const sectionHash = (items: SectionItems): string =>
  sectionHashOfLines(Array.from(items, ([key, value]) => itemLine(key, itemDigest(value))));

/** The same for one who has the lines already; sorts them. One call into the hash: it is computed for every agent. */
export const sectionHashOfLines = (lines: string[]): string => hash('sha256', lines.sort().join(''));

export interface SectionDiff {
  readonly put: Map<string, Uint8Array>;
  readonly remove: string[];
}

export const diffSection = (from: SectionItems, to: SectionItems): SectionDiff => ({
  put: new Map([...to].filter(([key, value]) => !sameBytes(from.get(key), value))),
  remove: [...from.keys()].filter((key) => !to.has(key)),
});

export const applyDiff = (base: SectionItems, diff: SectionDiff): Map<string, Uint8Array> => {
  const result = new Map(base);
  for (const key of diff.remove) result.delete(key);
  for (const [key, value] of diff.put) result.set(key, value);
  return result;
};

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a === b || (a !== undefined && a.length === b.length && Buffer.compare(a, b) === 0);
