import { z } from 'zod';
import { idSchema, refusal, RefusedError } from '#kernel';
import { permits, type Principal } from '#access';
import { START, type Position } from '#event-store';
import { inputRefusal, unknownParameter, type CursorCodec } from '#tools';
import { checkPrefixes, SEVERITIES, type EventFilter } from '../feed/filter.js';
import { checkEntity, checkStream } from '../feed/streams.js';

export const READ_PERMISSION = 'system.events.read';
/** What spans accounts needs the platform scope, as verify_audit does. */
export const ALL_ACCOUNTS_PERMISSION = 'platform.events.read';
const MAX_VALUES = 50;

const several = (what: z.ZodString) => z.array(what).max(MAX_VALUES).default([]);

/** The filters, under the same names as query parameters, fields of SubscribeRequest and arguments of the webhook tools. */
export const filterShape = {
  kind_prefix: several(z.string().min(1).max(200)),
  stream: several(z.string().min(1).max(120)),
  subject: several(z.string().min(1).max(120)),
  severity: z.enum(SEVERITIES).default('info'),
};

const requestSchema = z.object({
  ...filterShape,
  account: z.string().min(1).max(120).optional(),
  from: z.enum(['beginning', 'now']).default('beginning'),
  after: z.string().min(1).max(200).optional(),
  checkpoint_seconds: z.number().int().min(1).max(60).default(15),
});

/** What may be subscribed to, checked against what the token may see. */
export interface Wanted {
  readonly filter: EventFilter;
  /** What the cursors are bound to: an account, or all of them. */
  readonly scope: string;
  /** Undefined: from the head of the log on. */
  readonly after: Position | undefined;
  readonly checkpointMs: number;
}

export const ALL_SCOPE = 'all accounts';

export const checkFilter = (
  given: {
    readonly kind_prefix: readonly string[];
    readonly stream: readonly string[];
    readonly subject: readonly string[];
  },
  kinds: readonly string[],
): void => {
  checkPrefixes(given.kind_prefix, kinds);
  for (const name of given.stream) checkStream(name, 'stream');
  for (const id of given.subject) checkEntity(id, 'subject');
};

const scopeOf = (
  account: string | undefined,
  principal: Principal,
): { scope: string; accountId: string | undefined } => {
  if (account === undefined || account === principal.accountId)
    return { scope: principal.accountId, accountId: principal.accountId };
  if (!permits(principal.permissions, ALL_ACCOUNTS_PERMISSION)) {
    throw new RefusedError(
      refusal(403, 'permission_denied', `events of other accounts need the permission ${ALL_ACCOUNTS_PERMISSION}`, {
        field: 'account',
        hint: `leave account out, or name your own: ${principal.accountId}`,
        candidates: [{ id: principal.accountId }],
      }),
    );
  }
  if (account === 'all') return { scope: ALL_SCOPE, accountId: undefined };
  if (!idSchema('account').safeParse(account).success)
    throw new RefusedError(
      refusal(400, 'invalid_parameter', 'account: must be account-<uuid> or all', {
        field: 'account',
        hint: 'leave it out for your own account',
        candidates: [{ id: 'all' }, { id: principal.accountId }],
      }),
    );
  return { scope: account, accountId: account };
};

/** Refuses with RefusedError what the token may not see and what can never match. */
export const readRequest = (
  given: Readonly<Record<string, unknown>>,
  principal: Principal,
  cursors: CursorCodec,
  kinds: readonly string[],
): Wanted => {
  if (!permits(principal.permissions, READ_PERMISSION)) {
    throw new RefusedError(
      refusal(403, 'permission_denied', `following events needs the permission ${READ_PERMISSION}`, {
        hint: `ask for a token with ${READ_PERMISSION}`,
        candidates: [{ id: READ_PERMISSION }],
      }),
    );
  }
  const unknown = unknownParameter(requestSchema, given);
  if (unknown !== undefined) throw new RefusedError(unknown);
  const parsed = requestSchema.safeParse(given);
  if (!parsed.success) throw new RefusedError(inputRefusal(parsed.error, given));
  const { kind_prefix, stream, subject, severity, account, from, after, checkpoint_seconds } = parsed.data;
  checkFilter(parsed.data, kinds);
  const { scope, accountId } = scopeOf(account, principal);
  const filter = { accountId, kindPrefixes: kind_prefix, streams: stream, subjects: subject, minSeverity: severity };
  const start = from === 'now' ? undefined : START;
  return {
    filter,
    scope,
    after: after === undefined ? start : cursors.decode(scope, after, 'after'),
    checkpointMs: checkpoint_seconds * 1000,
  };
};
