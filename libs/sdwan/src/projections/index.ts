import type { ProcessingRegistrar, Projection } from '#processing';
import { sdwanAccessGrants } from './access-grants.js';
import { clusterReferences } from './cluster-references.js';
import { sdwanFirewallRules } from './firewall-rules.js';
import { sdwanNetworks } from './networks.js';
import { sdwanPeers } from './peers.js';
import { sdwanVirtualIps } from './virtual-ips.js';

export { clusterReferences, sdwanAccessGrants, sdwanFirewallRules, sdwanNetworks, sdwanPeers, sdwanVirtualIps };

/** A list of projections of different documents: each registers itself, so that none loses its type. */
const entry = <D extends object>(projection: Projection<D>) => ({
  register: (registrar: Pick<ProcessingRegistrar, 'addProjection'>) => registrar.addProjection(projection),
});

export const sdwanProjections = [
  entry(sdwanNetworks),
  entry(sdwanPeers),
  entry(sdwanVirtualIps),
  entry(sdwanAccessGrants),
  entry(sdwanFirewallRules),
  entry(clusterReferences),
];
