import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const account_id = idSchema('account');
const operator_id = idSchema('operator');

export const AccountCreated = defineEvent('system.account.created', 1, z.object({ account_id, name: z.string() }));

/** Names are unique per account and kind; decided on the account's stream, never on a read model. */
export const NameClaimed = defineEvent(
  'system.account.name_claimed',
  1,
  z.object({
    kind: z.enum(['template', 'node', 'network', 'cluster', 'access_grant', 'webhook']),
    name: z.string(),
    id: z.string(),
    /** Absent in claims of earlier builds. */
    claimed_at: z.iso.datetime().optional(),
  }),
);
export const NameReleased = defineEvent(
  'system.account.name_released',
  1,
  z.object({ kind: NameClaimed.schema.shape.kind, name: z.string(), id: z.string() }),
);

export const OperatorCreated = defineEvent(
  'system.operator.created',
  1,
  z.object({ operator_id, account_id, name: z.string() }),
);
export const OperatorTokenCreated = defineEvent(
  'system.operator.token_created',
  1,
  z.object({
    operator_id,
    token_id: z.string(),
    /** Hex sha256 of the token. */
    token_digest: z.string(),
    permissions: z.array(z.string()),
    expires_at: z.iso.datetime().nullable(),
    /** Made for an AI operator: what disrupts needs a plan, what destroys a human. */
    guarded: z.boolean().optional(),
    /** What it is for, in its owner's words. */
    label: z.string().optional(),
    /** Made by a login, which may also end it: absent for tokens that somebody issued. */
    login: z.boolean().optional(),
    /** When; what has ended long before is forgotten by then. Absent in events of earlier builds. */
    at: z.iso.datetime().optional(),
  }),
);
export const OperatorTokenRevoked = defineEvent(
  'system.operator.token_revoked',
  1,
  z.object({
    operator_id,
    token_id: z.string(),
    /** Where nobody asked for it: a login made room, changed the role, or none is let in any more. Logging out is asked for. */
    because: z.enum(['too_many_logins', 'role_changed', 'no_rule', 'logged_out']).optional(),
  }),
);
/** Somebody whom the identity provider vouched for came in. */
export const OperatorLoggedIn = defineEvent(
  'system.operator.logged_in',
  1,
  z.object({
    operator_id,
    token_id: z.string(),
    method: z.enum(['oidc']),
    issuer: z.string(),
    role: z.string(),
    /** Where the call came from; null where nobody knows. */
    address: z.string().nullable(),
  }),
);
/** A login that was not let in. */
export const LoginRefused = defineEvent(
  'system.login.refused',
  1,
  z.object({
    method: z.enum(['oidc']),
    issuer: z.string(),
    code: z.string(),
    /** As the provider names them; null unless the provider's signature vouches for it. */
    subject: z.string().nullable(),
    address: z.string().nullable(),
    /** Refusals since the last such event that got none of their own: an attacker must not fill the log. */
    not_told: z.number().int(),
  }),
  { severity: 'warning' },
);

/** From here on none of its tokens opens anything. */
export const OperatorDisabled = defineEvent(
  'system.operator.disabled',
  1,
  z.object({ operator_id, reason: z.string() }),
  { severity: 'warning' },
);
/** Its tokens that are neither expired nor revoked open again what they did. */
export const OperatorEnabled = defineEvent('system.operator.enabled', 1, z.object({ operator_id }));

/** A subject has ended and its data key is deleted: nobody can read what was sealed for it, with whatever key. */
export const SecretsShredded = defineEvent(
  'system.access.secrets_shredded',
  1,
  z.object({
    subject: z.string(),
    /** Of the data key that is gone. */
    data_key_id: z.uuid(),
    /** Of the secrets that were sealed under it. */
    names: z.array(z.string()),
    /** Kind of the event that ended the subject. */
    because: z.string(),
  }),
);

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

/** Another master key takes the place of the one before: data keys are being wrapped by it. Keys themselves stand nowhere but in data directories. */
export const MasterKeyRotationStarted = defineEvent(
  'system.access.master_key_rotation_started',
  1,
  z.object({ fingerprint, previous_fingerprint: fingerprint, request: z.string() }),
);
/** Nothing is wrapped by the key before any more. */
export const MasterKeyRotated = defineEvent('system.access.master_key_rotated', 1, z.object({ fingerprint }));

export const accessEvents = [
  AccountCreated,
  NameClaimed,
  NameReleased,
  OperatorCreated,
  OperatorTokenCreated,
  OperatorTokenRevoked,
  OperatorDisabled,
  OperatorEnabled,
  OperatorLoggedIn,
  LoginRefused,
  SecretsShredded,
  MasterKeyRotationStarted,
  MasterKeyRotated,
] as const;
