import { z } from 'zod';
import { defineTool } from '#tools';
import { eventProofSchema } from '../proof/event-proof.js';

const finding = z.object({
  kind: z
    .enum(['event', 'stream', 'seal', 'sink', 'key'])
    .describe('What was altered; sink: the file outside the database'),
  position: z.string().describe('The first event that it concerns'),
  reason: z.string(),
});

const positionText = z.string().regex(/^\d{1,19}$/, 'digits');

export const verifyAuditTool = defineTool({
  name: 'verify_audit',
  group: 'events',
  summary: 'Checks the whole log against its hash chain and its seals',
  description:
    'Recomputes the hash chain over the stored bytes, compares every derived column, checks the signed seals, the key history and ' +
    'the file of seals outside the database, and names the first event that was altered, removed or added. Spans all accounts, so it ' +
    'needs the platform scope. About ten seconds per million events; max_events and after = through check a long log in parts.',
  input: z.object({
    after: positionText.optional().describe('through of an earlier answer that was not complete'),
    max_events: z.number().int().min(1).optional().describe('Stop after about so many, at the end of a seal'),
  }),
  output: z.object({
    intact: z.boolean(),
    events: z.number().int().describe('Checked by this call'),
    through: z.string(),
    complete: z.boolean(),
    head_hash: z.string().optional().describe('Chain hash at through'),
    first_problem: z.object({ position: z.string(), reason: z.string() }).optional(),
    problems: z.array(finding),
    seals: z.object({
      count: z.number().int(),
      sealed_through: z.string(),
      in_file: z.number().int().optional().describe('Seals in the file outside the database'),
      key_id: z.string().optional().describe('Of the last seal'),
      key_ids: z.array(z.string()),
    }),
    duration_ms: z.number().int(),
  }),
  permission: 'platform.audit.verify',
  danger: 'read',
  examples: [{ title: 'The whole log', arguments: {} }],
  cli: ['audit', 'verify'],
});

export const proveEventTool = defineTool({
  name: 'prove_event',
  group: 'events',
  summary: 'A proof that an event is in the sealed log',
  description:
    'The event, its Merkle path to a signed seal, and the public keys: whoever knows one of the keys checks it without the platform ' +
    '(drover audit check-proof). Of all other events it holds hashes only. It tells the position of the event in the log. An event is ' +
    'provable once a seal covers it, at most a minute later.',
  input: z.object({ event_id: z.uuid().describe('id of recent_events') }),
  output: z.object({ proof: eventProofSchema }),
  permission: 'system.audit.read',
  danger: 'read',
  aliases: { id: 'event_id', event: 'event_id' },
  examples: [{ title: 'Prove one event', arguments: { event_id: '7d9f2c1e-3a4b-4c5d-8e6f-0a1b2c3d4e5f' } }],
  cli: ['audit', 'prove'],
});

export const exportAuditTool = defineTool({
  name: 'export_audit',
  group: 'events',
  summary: 'The log as CloudEvents, with its seals',
  description:
    "Page by page, the account's events as CloudEvents 1.0, after each sealed range its seal with the hashes of other accounts' " +
    'events, and the keys at the end: drover audit verify --file checks it without the platform. scope = all exports every account ' +
    'and needs the platform scope. Go on with after = next_cursor until complete; later, the same cursor gives what came since.',
  input: z.object({
    after: z.string().max(200).optional().describe('next_cursor of an earlier answer'),
    limit: z.number().int().min(1).max(2_000).default(500),
    scope: z.enum(['account', 'all']).default('account'),
  }),
  output: z.object({
    lines: z
      .array(z.record(z.string(), z.unknown()))
      .describe('CloudEvents: events, drover.audit.seal, drover.audit.key'),
    next_cursor: z.string(),
    complete: z.boolean(),
  }),
  permission: 'system.audit.read',
  danger: 'read',
  examples: [{ title: 'The first events of the account', arguments: { limit: 100 } }],
  cli: ['audit', 'export'],
});

const key = z.object({
  id: z.string().describe('sha256 of the public key'),
  sequence: z.number().int(),
  public_key_pem: z.string(),
  previous_key_id: z.string().nullable(),
  after_seal: z.number().int().describe('It signs the seals after this one'),
  created_at: z.string(),
  signature: z.string().describe('By the key before it, the first by itself'),
  current: z.boolean(),
});

export const listAuditKeysTool = defineTool({
  name: 'list_audit_keys',
  group: 'events',
  summary: 'The public keys that seals are signed with',
  description: 'Ed25519 keys, oldest first, each signed by the one before it. An auditor keeps the id of one of them.',
  input: z.object({}),
  output: z.object({ keys: z.array(key) }),
  permission: 'platform.audit.keys',
  danger: 'read',
  examples: [{ title: 'All keys, oldest first', arguments: {} }],
  cli: ['audit', 'keys'],
});

export const rotateAuditKeyTool = defineTool({
  name: 'rotate_audit_key',
  group: 'events',
  summary: 'Puts a new key in the place of the one that signs seals',
  description:
    'Makes a new Ed25519 key, signs it with the present one, and signs every further seal with it. Older seals keep their signatures ' +
    'and still verify. The private key never leaves the platform.',
  input: z.object({}),
  output: z.object({ key }),
  permission: 'platform.audit.rotate_key',
  danger: 'destroy',
  examples: [{ title: 'A new key', arguments: {} }],
  cli: ['audit', 'rotate-key'],
});

export const sealAuditTool = defineTool({
  name: 'seal_audit',
  group: 'events',
  summary: 'Seals the log now',
  description:
    'Asks the leading process for a seal over every event there is and waits for it, ten seconds at most. Otherwise a seal is made ' +
    'every 1,000 events or every minute. Appends no event.',
  input: z.object({}),
  output: z.object({ seals: z.number().int(), sealed_through: z.string(), key_id: z.string().optional() }),
  permission: 'platform.audit.seal',
  danger: 'read',
  examples: [{ title: 'Now, before an export', arguments: {} }],
  cli: ['audit', 'seal'],
});
