import { listed, type ListedProjection } from '#processing';
import { sdwanAccessGrants } from './access-grants.js';
import { clusterReferences } from './cluster-references.js';
import { sdwanFirewallRules } from './firewall-rules.js';
import { sdwanNetworks } from './networks.js';
import { sdwanPeers } from './peers.js';
import { sdwanVirtualIps } from './virtual-ips.js';

export { clusterReferences, sdwanAccessGrants, sdwanFirewallRules, sdwanNetworks, sdwanPeers, sdwanVirtualIps };

export const sdwanProjections: readonly ListedProjection[] = [
  listed(sdwanNetworks),
  listed(sdwanPeers),
  listed(sdwanVirtualIps),
  listed(sdwanAccessGrants),
  listed(sdwanFirewallRules),
  listed(clusterReferences),
];
