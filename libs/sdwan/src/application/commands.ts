import { Command } from '#processing';
import type { FirewallRuleSpec, MoveReason, RoutingMode } from '../domain/events.js';
import type { PeerStage } from '../domain/peer/outlook.js';
import type { Member } from '../domain/virtual-ip/state.js';

interface OnNetwork {
  readonly network_id: string;
}
interface OnPeer {
  readonly peer_id: string;
}
interface OnVirtualIp {
  readonly virtual_ip_id: string;
}

/** The id is derived from the command's, so that a retry finds the network it made. */
export class CreateNetwork extends Command<
  { readonly name: string; readonly routing_mode?: RoutingMode | null; readonly pod_subnet_prefix?: string | null },
  { readonly network_id: string }
> {
  static readonly type = 'sdwan.create_network';
}
export class UpdateNetwork extends Command<
  OnNetwork & {
    readonly name?: string;
    readonly routing_mode?: RoutingMode | null;
    readonly pod_subnet_prefix?: string | null;
  },
  void
> {
  static readonly type = 'sdwan.update_network';
}
/** Refused while peers or virtual IPs are left. */
export class DeleteNetwork extends Command<OnNetwork, void> {
  static readonly type = 'sdwan.delete_network';
}

/** Idempotent per network and instance: attaching twice answers the same peer. */
export class AttachPeer extends Command<
  OnNetwork & {
    readonly instance_id: string;
    readonly publicly_reachable?: boolean;
    readonly endpoint_host?: string | null;
    readonly endpoint_port?: number | null;
    readonly listen_port?: number;
    readonly tags?: readonly string[];
    readonly lan_subnets?: readonly string[];
    readonly lan_masquerade?: boolean;
  },
  { readonly peer_id: string; readonly address_v6: string; readonly address_v4: string }
> {
  static readonly type = 'sdwan.attach_peer';
}
/** What is left out stays. */
export class UpdatePeer extends Command<
  OnPeer & {
    readonly endpoint_host?: string | null;
    readonly endpoint_port?: number | null;
    readonly lan_subnets?: readonly string[];
    readonly lan_masquerade?: boolean;
  },
  void
> {
  static readonly type = 'sdwan.update_peer';
}
/** The node is to change its WireGuard key; while a change runs, that one goes on. */
export class RotatePeerKey extends Command<OnPeer & { readonly reason: 'operator' | 'age' }, void> {
  static readonly type = 'sdwan.rotate_peer_key';
}
export class AnnounceNextPeerKey extends Command<
  OnPeer & { readonly rotation: number; readonly public_key: string },
  void
> {
  static readonly type = 'sdwan.announce_next_peer_key';
}
export class OrderPeerKeySwitch extends Command<
  OnPeer & { readonly public_key: string; readonly held_by: number; readonly absent: readonly string[] },
  void
> {
  static readonly type = 'sdwan.order_peer_key_switch';
}
/** Nobody has the peer's former key any more. */
export class RetirePeerKey extends Command<OnPeer & { readonly public_key: string }, void> {
  static readonly type = 'sdwan.retire_peer_key';
}
/** Moves the virtual IPs that the peer holds away first, where another candidate can take them. */
export class DetachPeer extends Command<OnPeer & { readonly reason: string }, void> {
  static readonly type = 'sdwan.detach_peer';
}
/** For a terminated or forgotten instance: detaches it from every network. */
export class DetachInstance extends Command<
  { readonly instance_id: string; readonly peer_ids: readonly string[]; readonly reason: string },
  void
> {
  static readonly type = 'sdwan.detach_instance';
}
export class AnnouncePeerKey extends Command<
  OnPeer & { readonly public_key: string; readonly listen_port: number },
  void
> {
  static readonly type = 'sdwan.announce_peer_key';
}
export class ReportPeerEndpoints extends Command<OnPeer & { readonly underlay_addresses: readonly string[] }, void> {
  static readonly type = 'sdwan.report_peer_endpoints';
}
/** The part of pod_subnet_prefix that Kubernetes gave to this node. */
export class AssignPeerPodCidr extends Command<OnPeer & { readonly pod_cidr: string }, void> {
  static readonly type = 'sdwan.assign_peer_pod_cidr';
}
export class RecordPeerDrift extends Command<OnPeer & { readonly what: readonly string[] }, void> {
  static readonly type = 'sdwan.record_peer_drift';
}
export class RecordPeerLiveness extends Command<OnPeer & { readonly status: 'connected' | 'silent' }, void> {
  static readonly type = 'sdwan.record_peer_liveness';
}

export class RecordPeerOverdue extends Command<
  OnPeer & { readonly stage: PeerStage; readonly since: string; readonly bound_ms: number },
  void
> {
  static readonly type = 'sdwan.record_peer_overdue';
}

/** With a cluster the id is derived from it and the purpose, so that every caller reserves the same address. */
export class ReserveVirtualIp extends Command<
  OnNetwork & { readonly name: string; readonly purpose: string; readonly cluster_id: string | null },
  { readonly virtual_ip_id: string; readonly address: string }
> {
  static readonly type = 'sdwan.reserve_virtual_ip';
}
/** Who may hold it, in order of preference. */
export class SetVirtualIpCandidates extends Command<OnVirtualIp & { readonly candidates: readonly Member[] }, void> {
  static readonly type = 'sdwan.set_virtual_ip_candidates';
}
export class AllocateVirtualIp extends Command<
  OnVirtualIp & { readonly holder: Member },
  { readonly address: string }
> {
  static readonly type = 'sdwan.allocate_virtual_ip';
}
export class ReleaseVirtualIp extends Command<OnVirtualIp & { readonly reason: string }, void> {
  static readonly type = 'sdwan.release_virtual_ip';
}

export interface MoveAnswer {
  readonly virtual_ip_id: string;
  readonly name: string;
  readonly outcome: 'moved' | 'already_there' | 'no_candidate' | 'failed' | 'planned';
  readonly from_instance_id: string | null;
  readonly to_instance_id: string | null;
  readonly epoch: number;
  readonly duration_ms: number;
  readonly detail: string;
}
/** Moves every virtual IP that the instance holds to another candidate and waits for the end of it. */
export class MoveVirtualIpAway extends Command<
  { readonly instance_id: string; readonly reason: Extract<MoveReason, 'drain' | 'operator' | 'holder_removed'> },
  { readonly moves: readonly MoveAnswer[] }
> {
  static readonly type = 'sdwan.move_virtual_ip_away';
}
/** An operator's move, to a named candidate or to the best one. */
export class FailoverVirtualIp extends Command<
  OnVirtualIp & { readonly target_instance_id: string | null; readonly dry_run?: boolean },
  MoveAnswer
> {
  static readonly type = 'sdwan.failover_virtual_ip';
}

/** The token stays with the caller: only its digest is in the payload. */
export class CreateAccessGrant extends Command<
  OnNetwork & {
    readonly grant_id: string;
    readonly name: string;
    readonly tags: readonly string[];
    readonly token_digest: string;
    readonly expires_at_ms: number;
  },
  { readonly grant_id: string }
> {
  static readonly type = 'sdwan.create_access_grant';
}
export class RedeemAccessGrant extends Command<
  {
    readonly grant_id: string;
    readonly token_digest: string;
    readonly device_token_digest: string;
    readonly public_key: string;
    /** null: the grant's name. */
    readonly device_name: string | null;
  },
  { readonly peer_id: string; readonly network_id: string }
> {
  static readonly type = 'sdwan.redeem_access_grant';
}
/** Sent by the process manager grant_owners: who let them in may let nobody in any more. */
export class RevokeGrantsOf extends Command<
  {
    readonly operator_id: string;
    readonly because: 'disabled' | 'permission_lost';
    readonly role: string | null;
    /** Of the event that says so. */
    readonly position: string;
    readonly before: string;
  },
  void
> {
  static readonly type = 'sdwan.revoke_grants_of';
}
export class RevokeAccessGrant extends Command<{ readonly grant_id: string; readonly reason: string }, void> {
  static readonly type = 'sdwan.revoke_access_grant';
}

export class CreateFirewallRule extends Command<
  OnNetwork & { readonly rule: FirewallRuleSpec },
  { readonly firewall_rule_id: string }
> {
  static readonly type = 'sdwan.create_firewall_rule';
}
export class UpdateFirewallRule extends Command<
  { readonly firewall_rule_id: string; readonly change: Partial<FirewallRuleSpec> },
  void
> {
  static readonly type = 'sdwan.update_firewall_rule';
}
export class DeleteFirewallRule extends Command<{ readonly firewall_rule_id: string }, void> {
  static readonly type = 'sdwan.delete_firewall_rule';
}
