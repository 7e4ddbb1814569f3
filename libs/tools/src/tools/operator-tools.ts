import {
  deterministicId,
  isoTime,
  nearest,
  refusal,
  RefusedError,
  type AccountId,
  type Clock,
  type OperatorId,
} from '#kernel';
import {
  accounts,
  ADMIN_OPERATOR_ID,
  ChangeOperator,
  CreateAccount,
  CreateOperator,
  DEFAULT_ACCOUNT_ID,
  expandScopes,
  IssueToken,
  operatorDecider,
  operators,
  permits,
  unknownPermission,
  type OperatorDoc,
  type OperatorTokenState,
  type ShownToken,
  type TokenWish,
} from '#access';
import type { ReadModels, Transactor } from '#processing';
import type { ToolCall, ToolRegistrar } from '../define-tool.js';
import { operatorConditions, tokenConditions } from './operator-conditions.js';
import * as tools from './operator-definitions.js';
import { whatTheyKeep } from './what-they-keep.js';

export interface OperatorToolServices {
  readonly registry: ToolRegistrar;
  readonly readModels: ReadModels;
  readonly transactor: Transactor;
  readonly clock: Pick<Clock, 'wallMs'>;
}

interface Wished {
  readonly role?: string | undefined;
  readonly permissions?: readonly string[] | undefined;
  readonly expires_in_seconds: number;
  readonly guarded: boolean;
  readonly label: string;
}

const MAX_OPERATORS = 1_000;

const refused = (...args: Parameters<typeof refusal>) => new RefusedError(refusal(...args));

/** The same name is the same operator, so that names are unique without an index. */
const operatorIdOf = (accountId: AccountId, name: string): OperatorId =>
  accountId === DEFAULT_ACCOUNT_ID && name === 'admin'
    ? ADMIN_OPERATOR_ID
    : deterministicId('operator', accountId, name);

/** Nobody lends a power that they do not have, nor touches who has more. */
const requireAll = (call: ToolCall, scopes: readonly string[], what: string): void => {
  const beyond = [...expandScopes(scopes)].find((permission) => !permits(call.permissions, permission));
  if (beyond === undefined) return;
  throw refused(403, 'beyond_own_permissions', `${what} ${beyond}, which you do not have yourself`, {
    field: 'permissions',
    hint: `ask somebody with ${beyond}`,
  });
};

const tokenWish = (input: Wished, call: ToolCall): TokenWish => {
  const { role, permissions, guarded, label } = input;
  if ((role === undefined) === (permissions === undefined)) {
    const hint = 'give role: viewer, operator or admin, or a list of permissions, and not both';
    throw refused(400, 'invalid_parameter', 'a token needs a role or permissions', { field: 'role', hint });
  }
  const unknown = unknownPermission(permissions ?? []);
  if (unknown !== undefined) throw new RefusedError(unknown);
  const scopes = role === undefined ? [...new Set(permissions)].sort() : [`role:${role}`];
  requireAll(call, scopes, 'the token would have');
  return { scopes, guarded, label, expiresAt: endOf(input, call) };
};

const endOf = ({ expires_in_seconds: seconds }: { expires_in_seconds: number }, call: ToolCall): string =>
  isoTime(call.context.nowMs + seconds * 1_000);

export const operatorView = (doc: OperatorDoc, nowMs: number) => {
  const active_tokens = doc.tokens.filter((t) => statusOf(doc, t, nowMs) === 'active').length;
  return {
    ...{ id: doc.id, name: doc.name, created_at: doc.created_at, disabled_reason: doc.disabled_reason },
    status: doc.disabled ? ('disabled' as const) : ('active' as const),
    active_tokens,
    ...operatorConditions(doc, active_tokens),
  };
};

const statusOf = (doc: OperatorDoc, token: OperatorDoc['tokens'][number], nowMs: number) => {
  if (token.revoked_at !== null) return 'revoked' as const;
  if (token.expires_at !== null && Date.parse(token.expires_at) <= nowMs) return 'expired' as const;
  return doc.disabled ? ('disabled' as const) : ('active' as const);
};

export const tokensView = (doc: OperatorDoc, nowMs: number) =>
  doc.tokens.map((t) => {
    const status = statusOf(doc, t, nowMs);
    return { ...t, scopes: [...t.scopes], operator_id: doc.id, status, ...tokenConditions(t, status, nowMs) };
  });

const show = ({ tokenId, token }: ShownToken, wish: TokenWish, call: ToolCall) => {
  if (token === null) call.warn('the token was shown when this call was made first, and is kept nowhere');
  return { id: tokenId, secret: token, scopes: [...wish.scopes], expires_at: wish.expiresAt };
};

/** Lookups confined to the caller's account: what belongs to another is as unknown as what never was. */
class Directory {
  constructor(private readonly services: OperatorToolServices) {}

  all(call: ToolCall): Promise<OperatorDoc[]> {
    const where = { account: call.accountId };
    return this.services.readModels.find(operators, { where, limit: MAX_OPERATORS });
  }

  /** From the stream, not a read model: who was made a moment ago is there. */
  async operator(wanted: string, call: ToolCall) {
    const candidates = [wanted as OperatorId, operatorIdOf(call.accountId as AccountId, wanted)];
    for (const id of candidates.filter((c) => c.startsWith('operator-'))) {
      const state = (await this.services.transactor.read(id, operatorDecider))?.state;
      if (state?.created?.accountId === call.accountId) return { ...state.created, state };
    }
    const all = await this.all(call);
    // Who logs in through a provider has an id of the provider's making; the name says it, once.
    const named = all.filter(({ name }) => name === wanted);
    const state = named.length === 1 ? await this.services.transactor.read(named[0]!.id, operatorDecider) : undefined;
    if (state?.state.created !== undefined) return { ...state.state.created, state: state.state };
    if (named.length > 1)
      throw refused(409, 'ambiguous_name', `${named.length} operators are called ${wanted}`, {
        ...{ field: 'operator', hint: 'give the id', candidates: named.map(({ id, name }) => ({ id, name })) },
      });
    const names = all.flatMap(({ id, name }) => [name, id]);
    throw this.notFound('operator', wanted, names, 'system_list_operators');
  }

  async token(wanted: string, call: ToolCall): Promise<{ operatorId: OperatorId; token: OperatorTokenState }> {
    const uuid = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})[0-9a-f]{8}$/.exec(wanted);
    if (uuid !== null) {
      const operatorId: OperatorId = `operator-${uuid.slice(1).join('-')}`;
      const state = (await this.services.transactor.read(operatorId, operatorDecider))?.state;
      const token = state?.tokens.find((t) => t.tokenId === wanted);
      if (state?.created?.accountId === call.accountId && token !== undefined) return { operatorId, token };
    }
    const ids = (await this.all(call)).flatMap((doc) => doc.tokens.map(({ id }) => id));
    throw this.notFound('token', wanted, ids, 'system_list_tokens');
  }

  private notFound(kind: 'operator' | 'token', wanted: string, known: readonly string[], list: string): RefusedError {
    const near = nearest(wanted, known);
    return refused(404, `${kind}_not_found`, `there is no ${kind} ${JSON.stringify(wanted.slice(0, 100))}`, {
      field: kind === 'token' ? 'token_id' : 'operator',
      hint: near === undefined ? `${list} shows what there is` : `did you mean ${near}?`,
      ...(near === undefined ? {} : { candidates: [{ id: near }] }),
    });
  }
}

/** Who may do more than the caller cannot be shut out by them, and lends them nothing. */
const requireNotAbove = (call: ToolCall, tokens: readonly OperatorTokenState[]): void => {
  const scopes = tokens.filter((t) => !t.revoked).flatMap((t) => t.permissions);
  requireAll(call, scopes, 'it may use');
};

export const registerOperatorTools = (services: OperatorToolServices): void => {
  const directory = new Directory(services);
  registerAccounts(services);
  registerOperators(services, directory);
  registerTokens(services, directory);
};

const registerAccounts = ({ registry, readModels }: OperatorToolServices): void => {
  registry.add(tools.createAccountTool, async (input, call) => {
    const accountId: AccountId = deterministicId('account', input.name);
    const operatorId = operatorIdOf(accountId, input.operator_name);
    const token = { scopes: ['role:admin'], guarded: false, label: 'first', expiresAt: endOf(input, call) };
    await call.run(CreateAccount, { accountId, name: input.name });
    const made = await call.run(CreateOperator, { accountId, operatorId, name: input.operator_name, token });
    await call.settle(accounts, operators);
    return { account: { id: accountId, name: input.name }, operator_id: operatorId, token: show(made, token, call) };
  });
  registry.add(tools.listAccountsTool, async ({ limit, cursor }) => {
    const docs = await readModels.find(accounts, {
      limit: limit + 1,
      ...(cursor === undefined ? {} : { after: cursor }),
    });
    const page = docs.slice(0, limit);
    return {
      accounts: page.map(({ id, name, created_at }) => ({ id, name, created_at })),
      next_cursor: docs.length > limit ? page.at(-1)!.id : null,
    };
  });
};

const registerOperators = ({ registry, readModels, clock }: OperatorToolServices, directory: Directory): void => {
  const shownAfter = async (id: string, call: ToolCall) => {
    await call.settle(operators);
    return { operator: operatorView((await readModels.get(operators, id))!, clock.wallMs()) };
  };
  registry.add(tools.createOperatorTool, async (input, call) => {
    const accountId = call.accountId as AccountId;
    const token = tokenWish(input, call);
    const operatorId = operatorIdOf(accountId, input.name);
    const made = await call.run(CreateOperator, { accountId, operatorId, name: input.name, token });
    await call.settle(operators);
    return { operator: { id: operatorId, name: input.name }, token: show(made, token, call) };
  });
  registry.add(tools.listOperatorsTool, async ({ limit, cursor }, call) => {
    const after = cursor === undefined ? {} : { after: cursor };
    const docs = await readModels.find(operators, { where: { account: call.accountId }, limit: limit + 1, ...after });
    const page = docs.slice(0, limit);
    return {
      operators: page.map((doc) => operatorView(doc, clock.wallMs())),
      next_cursor: docs.length > limit ? page.at(-1)!.id : null,
    };
  });
  registry.add(tools.disableOperatorTool, async ({ operator, reason }, call) => {
    const { operatorId, state } = await directory.operator(operator, call);
    if (operatorId === call.context.actor.id) {
      const hint = 'somebody else with system.operators.write can';
      throw refused(409, 'cannot_disable_self', 'nobody disables themselves', { field: 'operator', hint });
    }
    requireNotAbove(call, state.tokens);
    await call.run(ChangeOperator, { operatorId, change: { type: 'disable', reason } });
    for (const warning of whatTheyKeep(state.tokens)) call.warn(warning);
    return shownAfter(operatorId, call);
  });
  registry.add(tools.enableOperatorTool, async ({ operator }, call) => {
    const { operatorId, state } = await directory.operator(operator, call);
    requireNotAbove(call, state.tokens);
    await call.run(ChangeOperator, { operatorId, change: { type: 'enable' } });
    return shownAfter(operatorId, call);
  });
};

const registerTokens = ({ registry, clock }: OperatorToolServices, directory: Directory): void => {
  registry.add(tools.issueTokenTool, async (input, call) => {
    const { operatorId } = await directory.operator(input.operator, call);
    const token = tokenWish(input, call);
    const made = await call.run(IssueToken, { operatorId, token });
    await call.settle(operators);
    return { token: show(made, token, call) };
  });
  registry.add(tools.listTokensTool, async ({ operator, limit, cursor }, call) => {
    const only = operator === undefined ? undefined : (await directory.operator(operator, call)).operatorId;
    const docs = (await directory.all(call)).filter(({ id }) => only === undefined || id === only);
    const all = docs.flatMap((doc) => tokensView(doc, clock.wallMs()));
    const from = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    const page = all.slice(from, from + limit);
    return { tokens: page, next_cursor: from + limit < all.length ? page.at(-1)!.id : null };
  });
  registry.add(tools.revokeTokenTool, async ({ token_id }, call) => {
    const { operatorId, token } = await directory.token(token_id, call);
    requireNotAbove(call, [token]);
    await call.run(ChangeOperator, { operatorId, change: { type: 'revoke_token', tokenId: token_id } });
    await call.settle(operators);
    return { token_id, operator_id: operatorId };
  });
  registry.add(tools.rotateTokenTool, async (input, call) => {
    const { operatorId, token } = await directory.token(input.token_id, call);
    requireNotAbove(call, [token]);
    const { permissions: scopes, guarded, label } = token;
    const wish = { scopes, guarded, label, expiresAt: endOf(input, call) };
    const made = await call.run(IssueToken, { operatorId, token: wish, replaces: input.token_id });
    await call.settle(operators);
    return { token: show(made, wish, call), replaced_token_id: input.token_id };
  });
};
