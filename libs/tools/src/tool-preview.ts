import { isoTime, refusal } from '#kernel';
import type { ToolAnswer } from './tool-call.js';

export interface PreviewRequest {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly accountId: string;
  readonly operatorId: string;
  readonly permissions: ReadonlySet<string>;
  /** Aborted when whoever asked has hung up. */
  readonly signal: AbortSignal;
}

type Rows = readonly Readonly<Record<string, unknown>>[];

/** What would follow a call. Only of the caller's account. */
export interface PreviewStory {
  readonly events: Rows;
  readonly vip_moves: Rows;
  readonly nodes_touched: Rows;
  readonly cannot_predict: readonly string[];
  readonly stopped_early?: string;
}

export type ToolPreview =
  | { readonly kind: 'ran'; readonly answer: ToolAnswer; readonly story: PreviewStory }
  /** The call had not been answered when the prediction ended. */
  | { readonly kind: 'pending'; readonly story: PreviewStory }
  /** This tool writes where no fork leads (a key, a read model, the world outside): only its arguments can be checked. */
  | { readonly kind: 'outside' };

/** Runs a call where nothing is kept: how `dry_run` is answered, for every tool alike. */
export interface ToolPreviews {
  preview(request: PreviewRequest): Promise<ToolPreview>;
}

const OUTSIDE: PreviewStory = {
  events: [],
  vip_moves: [],
  nodes_touched: [],
  cannot_predict: ['what the tool does: arguments and permission were checked, the tool itself was not run'],
};

/** Tokens of every kind, and what carries one: those of a fork open nothing and must not look as if they did. */
const TOKEN_LIKE = /(?:drvj?_|dg_|dd_|whsec_)[A-Za-z0-9_+/=-]{20,}/g;

/** Strings of an answer without the tokens that a fork made. */
export const withoutTokens = (value: unknown): unknown => {
  if (typeof value === 'string') return value.replaceAll(TOKEN_LIKE, 'PLACEHOLDER');
  if (Array.isArray(value)) return value.map(withoutTokens);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutTokens(inner)]));
};

/** Belongs to one call, and a dry run is none. */
const OF_THE_CALL = new Set(['outcome', 'position', 'correlation_id', 'read_model', 'normalised']);

const dataOf = (preview: ToolPreview): Readonly<Record<string, unknown>> => {
  if (preview.kind !== 'ran' || preview.answer.kind !== 'ok') return {};
  const kept = Object.entries(preview.answer.data).filter(([name]) => !OF_THE_CALL.has(name));
  return withoutTokens(Object.fromEntries(kept)) as Record<string, unknown>;
};

const wouldBe = (preview: ToolPreview): string => {
  if (preview.kind === 'outside') return 'unknown';
  if (preview.kind === 'pending') return 'pending';
  if (preview.answer.kind === 'refused') return 'refused';
  return preview.answer.kind === 'ok' && preview.answer.data['outcome'] === 'nothing' ? 'nothing' : 'done';
};

/**
 * The answer of a dry run: the tool's own data as the fork gave it (ids and tokens in it are placeholders), or as the tool itself
 * answers when it knows a dry run of its own, and what would follow. A call that would be refused is refused in the same words.
 */
export const previewAnswer = (
  preview: ToolPreview,
  plan: { readonly planId: string; readonly expiresAtMs: number },
  about: Readonly<Record<string, unknown>>,
  own?: Readonly<Record<string, unknown>>,
): ToolAnswer => {
  const refused = preview.kind === 'ran' && preview.answer.kind === 'refused' ? preview.answer : undefined;
  if (refused !== undefined && own === undefined) return refused;
  if (refused === undefined && preview.kind === 'ran' && preview.answer.kind !== 'ok') {
    const hint = 'what_if shows what could be found out; the call itself would most likely fail as well';
    return { kind: 'refused', refusal: refusal(422, 'would_fail', 'the dry run broke off inside the tool', { hint }) };
  }
  const { events, vip_moves, nodes_touched, cannot_predict, stopped_early } =
    preview.kind === 'outside' ? OUTSIDE : preview.story;
  const dry_run = {
    would_be: wouldBe(preview),
    plan_id: plan.planId,
    plan_expires_at: isoTime(plan.expiresAtMs),
    events,
    vip_moves,
    nodes_touched,
    cannot_predict: [
      ...(refused === undefined ? [] : [`as it is now, the call would be refused: ${refused.refusal.message}`]),
      ...cannot_predict,
    ],
    ...(stopped_early === undefined ? {} : { stopped_early }),
  };
  return { kind: 'ok', data: { ...(own ?? dataOf(preview)), outcome: 'planned', dry_run, ...about } };
};
