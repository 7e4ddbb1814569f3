import type { NetworkView, PeerView } from '../wireguard-compiler/model.js';
import { ASN, BGP_PORT, bfddConfig, bgpdConfig, filtersOf, type ConfigBlock } from './config.js';
import { isIbgp, planSessions, speaks, type SessionPlan } from './sessions.js';

/** The same shape as `bgpItem` of proto/agent/v1/sections.ts, which the domain does not import. */
export interface CompiledBgp {
  readonly network_id: string;
  readonly asn: number;
  readonly port: number;
  readonly address: string;
  readonly role: 'peer' | 'client' | 'reflector';
  readonly neighbors: readonly { readonly peer_id: string; readonly address: string; readonly client?: true }[];
  /** Inside it a node may announce what nobody else has, before the platform has told. */
  readonly pod_prefix: string | null;
  readonly virtual_ips: readonly {
    readonly vip_id: string;
    readonly address: string;
    readonly candidates: readonly string[];
  }[];
  readonly bfdd: readonly ConfigBlock[];
  readonly bgpd: readonly ConfigBlock[];
}

/** What all nodes of a network have in common; made once a revision. */
export interface BgpPlan extends SessionPlan {
  readonly filters: readonly ConfigBlock[];
}
export const planBgp = (network: NetworkView): BgpPlan => ({ ...planSessions(network), filters: filtersOf(network) });

/** What a node's routing daemon is told; undefined outside ibgp, and for devices. */
export const compileBgp = (
  network: NetworkView,
  self: PeerView,
  plan: () => BgpPlan = () => planBgp(network),
): CompiledBgp | undefined => {
  // One whose daemon was reported missing is told all the same: it starts as soon as the package is there.
  if (!isIbgp(network) || !speaks({ ...self, routing: null })) return undefined;
  const { of, reflectors, filters } = plan();
  const sessions = of(self.peerId);
  return {
    network_id: network.networkId,
    asn: ASN,
    port: BGP_PORT,
    address: self.addressV6,
    role: reflectors.length === 0 ? 'peer' : reflectors.includes(self) ? 'reflector' : 'client',
    neighbors: sessions.map(({ peer, kind }) => ({
      peer_id: peer.peerId,
      address: peer.addressV6,
      ...(kind === 'client' ? { client: true as const } : {}),
    })),
    pod_prefix: network.podSubnetPrefix,
    virtual_ips: [...network.virtualIps.values()]
      .filter((vip) => vip.status !== 'released')
      .map((vip) => ({
        vip_id: vip.virtualIpId,
        address: vip.address,
        candidates: vip.candidates.map((candidate) => candidate.peer_id).sort(),
      }))
      .sort((a, b) => (a.vip_id < b.vip_id ? -1 : 1)),
    bfdd: bfddConfig(),
    bgpd: bgpdConfig(self, sessions, filters),
  };
};
