import {
  EventCatalogue,
  UnreadableEventError,
  errorMessage,
  type AccountId,
  type Clock,
  type Log,
  type OperatorId,
} from '#kernel';
import { START, type EventStore, type RecordedEvent } from '#event-store';
import {
  operatorDecider,
  operatorEvents,
  type OperatorEvent,
  type OperatorState,
} from '../domain/operator/operator.js';
import { expandScopes } from '../domain/permissions.js';
import type { OperatorAuthenticator, Principal } from '../ports.js';
import { parseOperatorToken, sameDigest } from '../tokens/operator-token.js';

interface Entry {
  readonly version: number;
  readonly state: OperatorState;
  /** Once asked for: from here on there is little to read. What follows the log may be years behind. */
  readonly isCurrent?: boolean;
}

/** The state of an operator without reading all there ever was of them. */
export type ReadOperator = (
  operatorId: string,
) => Promise<{ readonly state: OperatorState; readonly version: number } | undefined>;

const catalogue = new EventCatalogue(operatorEvents);

/**
 * Operators and their tokens, folded from the log. Each authentication also reads what the operator's own stream holds beyond
 * the fold (usually nothing), so a revocation by any process is effective with its append.
 */
export class OperatorDirectory implements OperatorAuthenticator {
  private readonly operators = new Map<string, Entry>();
  private readonly listeners = new Set<(operatorId: string) => void>();

  constructor(
    private readonly store: Pick<EventStore, 'readStream' | 'subscribe' | 'readAll'>,
    private readonly clock: Pick<Clock, 'wallMs'>,
    private readonly log: Log,
    private readonly read?: ReadOperator,
  ) {}

  /**
   * Folds one event; events of other streams and events already folded are ignored. One that this build does not know throws
   * UnreadableEventError: it may say that tokens have ended, and so may what follows it, so nobody is let in past it.
   */
  apply(event: RecordedEvent): void {
    if (!event.stream.startsWith('operator-')) return;
    const known: Entry = this.operators.get(event.stream) ?? { version: 0, state: operatorDecider.initial };
    if (event.version !== known.version + 1) return;
    const data = catalogue.upcast(event.type, event.schemaVersion, event.data);
    const state = operatorDecider.evolve(known.state, { type: event.type, data } as unknown as OperatorEvent);
    this.operators.set(event.stream, { ...known, version: event.version, state });
    for (const listener of this.listeners) listener(event.stream);
  }

  /** Called with the operator's id after each change, so that long-lived streams can be checked again. */
  onChange(listener: (operatorId: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Whether a token that was let in still is, as far as the fold has come; an expiry is not looked at. */
  opens(operatorId: string, tokenId: string): boolean {
    const state = this.operators.get(operatorId)?.state;
    return state?.disabled === false && state.tokens.some((token) => token.tokenId === tokenId && !token.revoked);
  }

  /** Whether an operator of this account is called so, as far as the fold has come. */
  isNameTaken(accountId: string, name: string): boolean {
    return [...this.operators.values()].some(
      ({ state: { created } }) => created?.accountId === accountId && created.name === name,
    );
  }

  /** Accounts that have an operator with the id that somebody would have there, as far as the fold has come. */
  accountsWith(idIn: (accountId: AccountId) => OperatorId): AccountId[] {
    const states = [...this.operators.values()].map(({ state }) => state);
    const accounts = new Set(states.flatMap(({ created }) => created?.accountId ?? []));
    return [...accounts].filter((accountId) => this.operators.has(idIn(accountId)));
  }

  /** Follows the log until the signal aborts. Authentication is right without it; this keeps the fold warm. */
  async follow(signal: AbortSignal): Promise<void> {
    try {
      for await (const batch of this.store.subscribe(START, { signal, categories: ['operator'] })) {
        for (const event of batch.events) this.fold(event);
      }
    } catch (error) {
      if (!signal.aborted)
        this.log.error({ error: errorMessage(error) }, 'operator directory stopped following the log');
    }
  }

  /** One operator's unreadable stream is that operator's trouble alone. */
  private fold(event: RecordedEvent): void {
    try {
      this.apply(event);
    } catch (error) {
      if (!(error instanceof UnreadableEventError)) throw error;
      this.log.error({ error: error.message, stream: event.stream }, 'this operator cannot be let in by this build');
    }
  }

  async authenticate(bearerToken: string): Promise<Principal | undefined> {
    const parsed = parseOperatorToken(bearerToken);
    if (parsed === undefined) return undefined;
    // A token's secret never changes: who guesses at one that is known costs no reading of the store.
    const folded = this.operators.get(parsed.operatorId)?.state.tokens.find((t) => t.tokenId === parsed.tokenId);
    if (folded !== undefined && !sameDigest(folded.digest, parsed.digest)) return undefined;
    const state = await this.current(parsed.operatorId);
    const token = state?.tokens.find((t) => t.tokenId === parsed.tokenId);
    if (state?.created === undefined || token === undefined || !sameDigest(token.digest, parsed.digest))
      return undefined;
    if (token.revoked || state.disabled) return undefined;
    if (token.expiresAt !== null && Date.parse(token.expiresAt) <= this.clock.wallMs()) return undefined;
    const { operatorId, accountId, name } = state.created;
    const expires = token.expiresAt === null ? {} : { expiresAtMs: Date.parse(token.expiresAt) };
    const guarded = token.guarded ? { guarded: true } : {};
    const permissions = expandScopes(token.permissions);
    return { operatorId, accountId, name, permissions, tokenId: token.tokenId, ...expires, ...guarded };
  }

  private async current(operatorId: string): Promise<OperatorState | undefined> {
    if (this.operators.get(operatorId)?.isCurrent !== true) await this.catchUp(operatorId);
    const from = (this.operators.get(operatorId)?.version ?? 0) + 1;
    for await (const event of this.store.readStream(operatorId, from)) this.apply(event);
    return this.operators.get(operatorId)?.state;
  }

  private async catchUp(operatorId: string): Promise<void> {
    const found = await this.read?.(operatorId);
    // Meanwhile the log may have been followed further.
    const known = this.operators.get(operatorId);
    const isNews = found !== undefined && found.version > (known?.version ?? 0);
    const entry = isNews ? found : known;
    if (entry === undefined) return;
    this.operators.set(operatorId, { ...entry, isCurrent: true });
    if (isNews) for (const listener of this.listeners) listener(operatorId);
  }
}
