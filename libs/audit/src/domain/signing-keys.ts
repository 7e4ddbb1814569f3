import { z } from 'zod';
import { accept, defineEvent, nothing, type Decider, type EventOf } from '#kernel';

const keyId = z.string().regex(/^[0-9a-f]{64}$/);

/** Who put a new key in the place of the old one. The key itself stands with the seals, signed by the old one. */
export const AuditKeyRotated = defineEvent(
  'system.audit.key_rotated',
  1,
  z.object({ key_id: keyId, previous_key_id: keyId, sequence: z.number().int().min(2) }),
);
export const auditEvents = [AuditKeyRotated] as const;

export const SIGNING_KEYS_STREAM = 'audit_keys-seals';

type KeyEvent = EventOf<typeof AuditKeyRotated>;
export interface RecordRotation {
  readonly type: 'record_rotation';
  readonly key: KeyEvent['data'];
}

/** Keeps the record of rotations: one event for each key. */
export const signingKeysDecider: Decider<ReadonlySet<string>, RecordRotation, KeyEvent> = {
  initial: new Set(),
  decide: ({ key }, known) => (known.has(key.key_id) ? nothing('already_recorded') : accept(AuditKeyRotated(key))),
  evolve: (known, { data }) => new Set([...known, data.key_id]),
};
