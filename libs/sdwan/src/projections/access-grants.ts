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
  /** The operator whose devices it lets in; null where no operator made it. */
  readonly created_by: string | null;
  readonly revoked_reason: string | null;
}

const ownerOf = ({ kind, id }: { readonly kind: string; readonly id: string }): string | null =>
  kind === 'operator' ? id : null;

export const sdwanAccessGrants = defineProjection<AccessGrantDoc>({
  name: 'sdwan_access_grants',
  version: 2,
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
      created_by: doc === undefined ? ownerOf(event.meta.actor) : doc.created_by,
      revoked_reason: grant.status === 'revoked' ? (doc?.revoked_reason ?? String(event.data['reason'])) : null,
    };
  },
  columns: ({ account, network_id, name, status }) => ({ account, network_id, name, status }),
  columnTypes: { network_id: 'text', name: 'text', status: 'text' },
});
