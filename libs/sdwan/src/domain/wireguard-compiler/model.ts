import type { LiveVirtualIp } from '../virtual-ip/state.js';
import type { FirewallRuleSpec } from '../firewall/events.js';
import type { RoutingMode } from '../network/events.js';
import type { Rotation } from '../peer/key-rotation.js';

/** What the compiler reads: one network with its peers and virtual IPs, as the events left them. */
export interface PeerView {
  readonly peerId: string;
  readonly instanceId: string | null;
  readonly kind: 'node' | 'device';
  readonly name: string;
  readonly addressV6: string;
  readonly addressV4: string;
  readonly publiclyReachable: boolean;
  readonly endpointHost: string | null;
  readonly endpointPort: number | null;
  readonly listenPort: number;
  readonly publicKey: string | null;
  readonly keys: KeysView;
  readonly underlay: readonly string[];
  /** What Kubernetes gave to the node's pods, at most one range of each family. */
  readonly podCidrs: readonly string[];
  /** LANs that it is the gateway to. */
  readonly lanSubnets: readonly string[];
  readonly lanMasquerade: boolean;
  readonly tags: readonly string[];
  /** No word from it: another hub takes over. */
  readonly silent: boolean;
  /** What its node said of its routing daemon, in ibgp networks. */
  readonly routing?: 'running' | 'static' | null;
}

/** How far a change of the peer's key has come, and where in the log that stands. */
export interface KeysView {
  readonly rotation: Rotation | null;
  readonly rotations: number;
  /** Position of the event with which the phase began: who has applied that much knows what it says. */
  readonly at: bigint;
  /** When the phase began, in milliseconds since the epoch. */
  readonly atMs: number;
  /** Since when the key is in use. */
  readonly sinceMs: number;
}

export interface NetworkView {
  readonly networkId: string;
  readonly name: string;
  readonly handle: string;
  readonly cidr64: string;
  readonly cidrV4: string;
  readonly routingMode: RoutingMode | null;
  readonly podSubnetPrefix: string | null;
  readonly peers: ReadonlyMap<string, PeerView>;
  readonly virtualIps: ReadonlyMap<string, LiveVirtualIp>;
  readonly firewall: ReadonlyMap<string, FirewallRuleView>;
}

export interface FirewallRuleView {
  readonly ruleId: string;
  readonly rule: FirewallRuleSpec;
  /** Position of its first event: of two rules of one priority the older is looked at first. */
  readonly since: number;
}

export interface LeaseTimes {
  readonly beatMs: number;
  readonly ttlMs: number;
}

/** The same shapes as the items of proto/agent/v1/sections.ts, which the domain does not import. */
export interface CompiledInterface {
  readonly network_id: string;
  readonly peer_id: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly listen_port: number;
  readonly mtu: number;
  readonly forwarding: boolean;
  readonly rotation?: number;
  readonly lan?: {
    readonly subnets: readonly string[];
    readonly also: readonly string[];
    readonly masquerade: boolean;
  };
  readonly guard?: { readonly also: readonly string[] };
}
export interface CompiledPeer {
  readonly peer_id: string;
  readonly instance_id: string | null;
  readonly public_key: string;
  readonly next_public_key?: string;
  readonly endpoints: readonly string[];
  readonly allowed_ips: readonly string[];
  readonly persistent_keepalive: number;
}
export interface CompiledRoute {
  readonly prefix: string;
  readonly kind: 'device' | 'unreachable';
}
export interface CompiledVip {
  readonly vip_id: string;
  readonly network_id: string;
  readonly address: string;
  readonly epoch: number;
  readonly holder_peer_id: string | null;
  readonly route_peer_id: string | null;
  readonly role: 'holder' | 'candidate' | 'member';
  readonly release_after_move: boolean;
  readonly lease: {
    readonly beat_ms: number;
    readonly ttl_ms: number;
    readonly voters: readonly { readonly peer_id: string; readonly address: string }[];
    readonly platform_votes: boolean;
  } | null;
}
export interface CompiledFirewallRule {
  readonly rule_id: string;
  /** Place among the network's rules, from 0. */
  readonly order: number;
  readonly action: 'accept' | 'drop';
  readonly direction: 'ingress' | 'egress';
  readonly protocol: 'any' | 'tcp' | 'udp' | 'icmp';
  readonly ports: readonly [number, number] | null;
  /** Prefixes; null for everything. */
  readonly source: readonly string[] | null;
  readonly destination: readonly string[] | null;
}
export interface CompiledNetwork {
  readonly interface: CompiledInterface;
  readonly peers: readonly CompiledPeer[];
  readonly routes: readonly CompiledRoute[];
  readonly vips: readonly CompiledVip[];
  readonly firewall: readonly CompiledFirewallRule[];
}
