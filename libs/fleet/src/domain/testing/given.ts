import type { Decider, DomainEvent } from '#kernel';

/** given(decider, events).when(command): what a decider answers, and the state its events lead to. */
export const given = <S, C, E extends DomainEvent>(decider: Decider<S, C, E>, ...past: readonly E[]) => {
  const state = past.reduce((s, e) => decider.evolve(s, e), decider.initial);
  return {
    state,
    when: (command: C) => {
      const decision = decider.decide(command, state);
      const events = decision.kind === 'accept' ? decision.events : [];
      return {
        decision,
        /** `[type, data]` of what happened; empty when nothing did. */
        events: events.map((event) => event.type),
        data: events.map((event) => event.data),
        refused: decision.kind === 'reject' ? decision.refusal.code : undefined,
        reason: decision.kind === 'nothing' ? decision.reason : undefined,
        /** Goes on from here. */
        then: () => given(decider, ...past, ...events),
      };
    },
  };
};
