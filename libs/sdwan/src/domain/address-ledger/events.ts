import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const network_id = idSchema('sdwan_network');

/** On `address_ledger-<uuid of the network>`: who has which address. Monotonic; a released one rests for 24 h. */
export const AddressAllocated = defineEvent(
  'system.sdwan.address.allocated',
  1,
  z.object({
    network_id,
    owner_id: z.string(),
    range: z.enum(['vip', 'node', 'device']),
    /** Without prefix length. */
    address_v6: z.string(),
    /** Null for VIPs. */
    address_v4: z.string().nullable(),
    /** The number inside its range; monotonic. */
    index: z.number().int(),
  }),
);
export const AddressReleased = defineEvent(
  'system.sdwan.address.released',
  1,
  z.object({ network_id, owner_id: z.string(), quarantined_until: z.iso.datetime() }),
);

export const addressLedgerEvents = [AddressAllocated, AddressReleased] as const;
