import { refusal } from '#kernel';
import type { agentV1 } from '#proto';

export type PhaseAnswer = { readonly ack: Partial<agentV1.PhaseAck> } | { readonly retryAfterMs: number };

export const missingPeer = (instanceId: string) =>
  refusal(422, 'MissingSdwanPeerError', `${instanceId} has no SDWAN peer on the cluster's network`, {
    field: 'network_id',
    hint: 'system_sdwan_attach_peer({network_id, node_instance_id})',
  });
