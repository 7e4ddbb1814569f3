import { sha256Hex } from './canonical-json.js';
import type { DomainEvent, EventDefinition } from './event-definition.js';
import type { Refusal } from './refusal.js';

/** What a pure decider answers: events to append, nothing to do (and why), or a refusal. */
export type Decision<E extends DomainEvent = DomainEvent> =
  | { readonly kind: 'accept'; readonly events: readonly E[] }
  | { readonly kind: 'nothing'; readonly reason: string }
  | { readonly kind: 'reject'; readonly refusal: Refusal };

export const accept = <E extends DomainEvent>(...events: readonly E[]): Decision<E> => ({ kind: 'accept', events });
export const nothing = (reason: string): Decision<never> => ({ kind: 'nothing', reason });
export const reject = (refusal: Refusal): Decision<never> => ({ kind: 'reject', refusal });

/** How the state of a fold is kept beside a stream that grows for ever, so that nobody has to read all of it. */
export interface KeptFold<S> {
  /** Another one whenever `evolve` or the state's shape changes: what was kept under the former is not looked at. */
  readonly name: string;
  /** What JSON has made of a state; undefined when it is none. */
  revive(value: unknown): S | undefined;
}

/**
 * The name of a fold that is kept, with a digest of the events that it can read: a build that knows fewer of them must come upon
 * the one that it cannot read, and not get past it by what another build kept.
 */
export const keptFoldName = (name: string, events: readonly Pick<EventDefinition, 'type' | 'version'>[]): string => {
  const known = events.map(({ type, version }) => `${type} ${version}`).sort();
  return `${name}-${sha256Hex(known.join('\n')).slice(0, 8)}`;
};

/** A pure aggregate: `evolve` folds events into state, `decide` turns a command and a state into a decision. */
export interface Decider<S, C, E extends DomainEvent> {
  readonly initial: S;
  evolve(state: S, event: E): S;
  decide(command: C, state: S): Decision<E>;
  readonly kept?: KeptFold<S>;
}
