import { defineProjection } from '#processing';

export interface TokenDoc {
  readonly id: string;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly guarded: boolean;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
}

export interface OperatorDoc {
  readonly account: string;
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
  readonly disabled: boolean;
  readonly disabled_reason: string | null;
  readonly tokens: readonly TokenDoc[];
}

/** Of those that ended, so many are shown; those that open something always. */
const ENDED_SHOWN = 100;

const trimmed = (tokens: readonly TokenDoc[], now: string): TokenDoc[] => {
  const isEnded = (t: TokenDoc) => t.revoked_at !== null || (t.expires_at !== null && t.expires_at <= now);
  let surplus = tokens.filter(isEnded).length - ENDED_SHOWN;
  return tokens.filter((t) => !isEnded(t) || surplus-- <= 0);
};

/** Operators with their tokens, never a token itself nor its digest. */
export const operators = defineProjection<OperatorDoc>({
  name: 'access_operators',
  version: 1,
  keys: (event) => (event.type.startsWith('system.operator.') ? [event.stream] : []),
  fold: (doc, { type, data, meta }, key) => {
    const at = meta.occurredAt;
    if (type === 'system.operator.created') {
      const name = String(data['name']);
      return {
        ...{ account: String(data['account_id']), id: key, name, created_at: at },
        ...{ disabled: false, disabled_reason: null, tokens: [] },
      };
    }
    if (doc === undefined) return undefined;
    if (type === 'system.operator.disabled') return { ...doc, disabled: true, disabled_reason: String(data['reason']) };
    if (type === 'system.operator.enabled') return { ...doc, disabled: false, disabled_reason: null };
    if (type === 'system.operator.token_revoked') {
      const end = (t: TokenDoc) => (t.id === data['token_id'] ? { ...t, revoked_at: t.revoked_at ?? at } : t);
      return { ...doc, tokens: trimmed(doc.tokens.map(end), at) };
    }
    if (type !== 'system.operator.token_created') return doc;
    const { token_id, label = '', permissions, guarded = false, expires_at } = data;
    const token = {
      ...{ id: String(token_id), label: String(label), scopes: permissions as string[], guarded: guarded === true },
      ...{ created_at: at, expires_at: expires_at as string | null, revoked_at: null },
    };
    return { ...doc, tokens: trimmed([...doc.tokens, token], at) };
  },
  columns: ({ account, name }) => ({ account, name }),
  columnTypes: { name: 'text' },
});

export interface AccountDoc {
  readonly account: string;
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
}

export const accounts = defineProjection<AccountDoc>({
  name: 'access_accounts',
  version: 1,
  keys: (event) => (event.type === 'system.account.created' ? [event.stream] : []),
  fold: (doc, { data, meta }, key) =>
    doc ?? { account: key, id: key, name: String(data['name']), created_at: meta.occurredAt },
  columns: ({ account }) => ({ account }),
  columnTypes: {},
});
