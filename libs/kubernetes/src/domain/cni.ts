import { refusal, type Refusal } from '#kernel';

import type { Cluster, NodeRole } from './cluster/state.js';
import { hasMoved } from './cluster/migration-state.js';

export type CniPlugin = 'flannel' | 'ovn_kubernetes';
export type NetworkProfile = 'heavyweight' | 'lightweight';

const HEAVYWEIGHT_BYTES = 4 * 1024 ** 3;

/** A node with 4 GiB of memory or more is heavyweight (tutorial 04). Firmware keeps a little, hence the 5 % tolerance. */
export const networkProfile = (memoryBytes: number | null): NetworkProfile | undefined =>
  memoryBytes === null || memoryBytes === 0
    ? undefined
    : memoryBytes >= HEAVYWEIGHT_BYTES * 0.95
      ? 'heavyweight'
      : 'lightweight';

/** The override where it fits the profile, else the profile's default; unknown profiles get flannel. */
export const selectCni = (
  override: CniPlugin | null,
  profile: NetworkProfile | undefined,
): { readonly ok: true; readonly plugin: CniPlugin } | { readonly ok: false; readonly refusal: Refusal } => {
  if (override === 'ovn_kubernetes' && profile === 'lightweight') return { ok: false, refusal: cniMismatch(profile) };
  if (override !== null) return { ok: true, plugin: override };
  return { ok: true, plugin: profile === 'heavyweight' ? 'ovn_kubernetes' : 'flannel' };
};

/**
 * A lightweight node cannot join an ovn_kubernetes cluster; a heavyweight one may join either. An operator who asked for a
 * plugin for this node does not get another one silently.
 */
export const joinMismatch = (
  cluster: CniPlugin,
  profile: NetworkProfile | undefined,
  override: CniPlugin | null = null,
): Refusal | undefined => {
  if (override !== null && override !== cluster) return otherPlugin(cluster, override);
  return cluster === 'ovn_kubernetes' && profile === 'lightweight' ? cniMismatch(profile) : undefined;
};

const otherPlugin = (cluster: CniPlugin, override: CniPlugin): Refusal =>
  refusal(422, 'CniProfileMismatchError', `the cluster runs ${cluster}; this node was provisioned for ${override}`, {
    field: 'cni_plugin',
    hint: `provision the node without cni_plugin or with ${cluster}, or name another cluster in target_cluster_id`,
  });

const cniMismatch = (profile: NetworkProfile): Refusal =>
  refusal(
    422,
    'CniProfileMismatchError',
    `ovn_kubernetes needs a heavyweight node (4 GiB or more); this one is ${profile}`,
    {
      field: 'cni_plugin',
      hint: 'use cni_plugin "flannel", or a node with at least 4 GiB of memory',
    },
  );

/** K3s arguments for a network plugin; flannel over the overlay when the network has a pod_subnet_prefix. */
export const cniArgs = (
  plugin: CniPlugin,
  network: { readonly handle: string } | undefined,
  podCidr: string | null,
): readonly string[] => {
  if (plugin === 'ovn_kubernetes') return ['--flannel-backend=none', '--disable-network-policy'];
  if (podCidr === null || network === undefined) return [];
  return [`--flannel-iface=wg-sdwan-${network.handle}`, '--flannel-backend=host-gw', `--cluster-cidr=${podCidr}`];
};

/** The flags of one node. A worker has no say in the backend or the range, but its flannel needs the interface, too. */
export const argsFor = (
  cluster: Pick<Cluster, 'cniPlugin' | 'podCidr' | 'migration'>,
  instanceId: string,
  role: NodeRole,
  network: { readonly handle: string } | undefined,
): readonly string[] => {
  const podCidr = hasMoved(cluster.migration, instanceId) ? cluster.podCidr : null;
  const args = cniArgs(cluster.cniPlugin, network, podCidr);
  return role === 'server' ? args : args.filter((arg) => arg.startsWith('--flannel-iface='));
};
