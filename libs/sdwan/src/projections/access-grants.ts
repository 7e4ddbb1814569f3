import { defineProjection } from '#processing';
import {
  evolveGrant,
  initialGrant,
  type AccessGrantEvent,
  type AccessGrantState,
} from '../domain/access-grant/state.js';

type Known = Exclude<AccessGrantState, { status: 'none' }>;

export interface AccessGrantDoc {
  readonly account: string;
  readonly id: string;
  readonly network_id: string;
  readonly name: string;
  /** As stored; a pending grant past its expiry is shown as expired by the reader, who has a clock. */
  readonly status: Known['status'];
  readonly grant: Known;
  readonly created_at: string;
}

export const sdwanAccessGrants = defineProjection<AccessGrantDoc>({
  name: 'sdwan_access_grants',
  version: 1,
  keys: (event) => (event.type.startsWith('system.sdwan.access_grant.') ? [String(event.data.grant_id)] : []),
  fold(doc, event) {
    const grant = evolveGrant(doc?.grant ?? initialGrant, event as unknown as AccessGrantEvent);
    if (grant.status === 'none') return doc;
    return {
      account: doc?.account ?? event.meta.accountId,
      id: grant.grantId,
      network_id: grant.networkId,
      name: grant.name,
      status: grant.status,
      grant,
      created_at: doc?.created_at ?? event.recordedAt,
    };
  },
  columns: ({ account, network_id, name, status }) => ({ account, network_id, name, status }),
  columnTypes: { network_id: 'text', name: 'text', status: 'text' },
});
