import { defineProjection } from '#processing';
import { evolvePeer, initialPeer, type PeerEvent, type PeerState } from '../domain/peer/state.js';

type Known = Exclude<PeerState, { status: 'none' }>;

export interface PeerDoc {
  readonly account: string;
  readonly id: string;
  readonly network_id: string;
  readonly instance_id: string | null;
  readonly name: string;
  readonly status: Known['status'];
  readonly state: Known;
  readonly created_at: string;
}

/** Removed peers stay readable, so that an operator can see what was there. */
export const sdwanPeers = defineProjection<PeerDoc>({
  name: 'sdwan_peers',
  version: 4,
  keys: (event) => (event.type.startsWith('system.sdwan.peer.') ? [String(event.data.peer_id)] : []),
  fold(doc, event) {
    const state = evolvePeer(doc?.state ?? initialPeer, event as unknown as PeerEvent);
    if (state.status === 'none') return doc;
    return {
      account: doc?.account ?? event.meta.accountId,
      id: state.attached.peer_id,
      network_id: state.attached.network_id,
      instance_id: state.attached.instance_id,
      name: state.attached.name,
      status: state.status,
      state,
      created_at: doc?.created_at ?? event.recordedAt,
    };
  },
  columns: ({ account, network_id, instance_id, status }) => ({ account, network_id, instance_id, status }),
  columnTypes: { network_id: 'text', instance_id: 'text', status: 'text' },
});
