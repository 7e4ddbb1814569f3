import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const grant_id = idSchema('access_grant');

export const AccessGrantCreated = defineEvent(
  'system.sdwan.access_grant.created',
  1,
  z.object({
    grant_id,
    network_id: idSchema('sdwan_network'),
    name: z.string(),
    tags: z.array(z.string()),
    /** Hex sha256 of the single-use bootstrap token. */
    token_digest: z.string(),
    expires_at: z.iso.datetime(),
  }),
);
export const AccessGrantRedeemed = defineEvent(
  'system.sdwan.access_grant.redeemed',
  1,
  z.object({
    grant_id,
    peer_id: idSchema('sdwan_peer'),
    public_key: z.string(),
    /** Hex sha256 of the token with which the device follows its configuration. */
    device_token_digest: z.string().nullable().default(null),
  }),
);
export const AccessGrantRevoked = defineEvent(
  'system.sdwan.access_grant.revoked',
  1,
  z.object({ grant_id, reason: z.string() }),
);

export const accessGrantEvents = [AccessGrantCreated, AccessGrantRedeemed, AccessGrantRevoked] as const;
