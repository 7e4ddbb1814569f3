import type { EventOf } from '#kernel';
import { AccessGrantCreated, AccessGrantRedeemed, AccessGrantRevoked, type accessGrantEvents } from './events.js';

export type AccessGrantEvent = EventOf<(typeof accessGrantEvents)[number]>;

export type AccessGrantState =
  | { readonly status: 'none' }
  | {
      readonly status: 'pending' | 'active' | 'revoked';
      readonly grantId: string;
      readonly networkId: string;
      readonly name: string;
      readonly tags: readonly string[];
      readonly tokenDigest: string;
      readonly expiresAtMs: number;
      readonly peerId: string | null;
      readonly deviceTokenDigest: string | null;
    };

export const initialGrant: AccessGrantState = { status: 'none' };

export const evolveGrant = (state: AccessGrantState, event: AccessGrantEvent): AccessGrantState => {
  if (event.type === AccessGrantCreated.type) {
    const d = event.data as EventOf<typeof AccessGrantCreated>['data'];
    return {
      status: 'pending',
      grantId: d.grant_id,
      networkId: d.network_id,
      name: d.name,
      tags: d.tags,
      tokenDigest: d.token_digest,
      expiresAtMs: Date.parse(d.expires_at),
      peerId: null,
      deviceTokenDigest: null,
    };
  }
  if (state.status === 'none') return state;
  if (event.type === AccessGrantRedeemed.type) {
    const d = event.data as EventOf<typeof AccessGrantRedeemed>['data'];
    return { ...state, status: 'active', peerId: d.peer_id, deviceTokenDigest: d.device_token_digest };
  }
  return event.type === AccessGrantRevoked.type ? { ...state, status: 'revoked' } : state;
};
