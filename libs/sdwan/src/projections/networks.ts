import type { EventOf } from '#kernel';
import { defineProjection } from '#processing';
import { NetworkCreated, NetworkDeleted, NetworkUpdated, type RoutingMode } from '../domain/events.js';

export interface NetworkDoc {
  readonly account: string;
  readonly id: string;
  readonly name: string;
  readonly handle: string;
  readonly cidr_64: string;
  readonly cidr_v4: string;
  readonly routing_mode: RoutingMode | null;
  readonly pod_subnet_prefix: string | null;
  readonly created_at: string;
}

export const sdwanNetworks = defineProjection<NetworkDoc>({
  name: 'sdwan_networks',
  version: 1,
  keys: (event) =>
    event.type === NetworkCreated.type || event.type === NetworkUpdated.type || event.type === NetworkDeleted.type
      ? [String(event.data.network_id)]
      : [],
  fold(doc, event) {
    if (event.type === NetworkCreated.type) {
      const { network_id: id, ...rest } = event.data as EventOf<typeof NetworkCreated>['data'];
      return { account: event.meta.accountId, id, ...rest, created_at: event.recordedAt };
    }
    if (doc === undefined || event.type === NetworkDeleted.type) return undefined;
    const { name, routing_mode, pod_subnet_prefix } = event.data as EventOf<typeof NetworkUpdated>['data'];
    return {
      ...doc,
      ...(name === undefined ? {} : { name }),
      ...(routing_mode === undefined ? {} : { routing_mode }),
      ...(pod_subnet_prefix === undefined ? {} : { pod_subnet_prefix }),
    };
  },
  columns: ({ account, name }) => ({ account, name }),
  columnTypes: { name: 'text' },
});
