import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import { NetworkCreated, NetworkDeleted, NetworkUpdated, type RoutingMode } from './events.js';
import { evolveNetwork, initialNetwork, type NetworkEvent, type NetworkState } from './state.js';

type NetworkId = `sdwan_network-${string}`;

export type NetworkCommand =
  | {
      readonly kind: 'create';
      readonly networkId: string;
      readonly name: string;
      readonly handle: string;
      readonly cidr64: string;
      readonly cidrV4: string;
      readonly routingMode: RoutingMode | null;
      readonly podSubnetPrefix: string | null;
    }
  | {
      readonly kind: 'update';
      readonly name?: string;
      readonly routingMode?: RoutingMode | null;
      readonly podSubnetPrefix?: string | null;
    }
  | { readonly kind: 'delete' };

export const networkDecider: Decider<NetworkState, NetworkCommand, NetworkEvent> = {
  initial: initialNetwork,
  evolve: evolveNetwork,
  decide(command, state): Decision<NetworkEvent> {
    switch (command.kind) {
      case 'create':
        return state.status === 'none' ? create(command) : nothing('already_created');
      case 'update':
        return update(command, state);
      case 'delete':
        if (state.status !== 'active') return nothing('not_active');
        return accept(
          NetworkDeleted(
            { network_id: state.networkId as NetworkId, name: state.name },
            { links: { network: state.networkId } },
          ),
        );
      default:
        return assertNever(command);
    }
  },
};

const create = (command: Extract<NetworkCommand, { kind: 'create' }>): Decision<NetworkEvent> =>
  accept(
    NetworkCreated(
      {
        network_id: command.networkId as NetworkId,
        name: command.name,
        handle: command.handle,
        cidr_64: command.cidr64,
        cidr_v4: command.cidrV4,
        routing_mode: command.routingMode,
        pod_subnet_prefix: command.podSubnetPrefix,
      },
      { links: { network: command.networkId } },
    ),
  );

const update = (command: Extract<NetworkCommand, { kind: 'update' }>, state: NetworkState): Decision<NetworkEvent> => {
  if (state.status !== 'active')
    return reject(refusal(404, 'network_not_found', 'no such network', { field: 'network_id' }));
  const changed = {
    ...(command.name !== undefined && command.name !== state.name ? { name: command.name } : {}),
    ...(command.routingMode !== undefined && command.routingMode !== state.routingMode
      ? { routing_mode: command.routingMode }
      : {}),
    ...(command.podSubnetPrefix !== undefined && command.podSubnetPrefix !== state.podSubnetPrefix
      ? { pod_subnet_prefix: command.podSubnetPrefix }
      : {}),
  };
  if (Object.keys(changed).length === 0) return nothing('unchanged');
  return accept(
    NetworkUpdated({ network_id: state.networkId as NetworkId, ...changed }, { links: { network: state.networkId } }),
  );
};

export interface ClusterReference {
  readonly clusterId: string;
  readonly podCidr: string | null;
  readonly flannel: boolean;
}

/**
 * The prefix is part of a running cluster's identity. From none to exactly the clusters' CIDR is the tutorial's migration;
 * anything else would cut their pods off.
 */
export const podPrefixMayChange = (
  from: string | null,
  to: string | null,
  clusters: readonly ClusterReference[],
): Decision<never> => {
  if (from === to || clusters.length === 0) return nothing('free');
  const used = [...new Set(clusters.map((c) => c.podCidr ?? 'unknown'))];
  // Two clusters of one range cannot both route it over one network: only a single flannel cluster can move there.
  const only = clusters.filter((cluster) => cluster.flannel).length === 1;
  if (from === null && to !== null && only && used.every((cidr) => cidr === to)) return nothing('migration');
  return reject(
    refusal(
      409,
      'pod_subnet_prefix_immutable',
      `pod_subnet_prefix cannot change: ${clusters.length} cluster(s) refer to this network`,
      {
        field: 'pod_subnet_prefix',
        hint:
          from === null
            ? `only ${used.join(', ')} (the clusters' own pod CIDR) is possible now`
            : `keep ${from}, or decommission the clusters first`,
        candidates: clusters.map((c) => ({ id: c.clusterId })),
      },
    ),
  );
};
