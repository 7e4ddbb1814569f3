import type { Decider, DomainEvent, Refusal } from '#kernel';

/** Runs commands against a decider; answers the state and what each decision was. */
export const drive = <S, C, E extends DomainEvent>(decider: Decider<S, C, E>, commands: readonly C[]) => {
  let state = decider.initial;
  const answers: (string | Refusal)[] = [];
  for (const command of commands) {
    const decision = decider.decide(command, state);
    if (decision.kind === 'accept') state = decision.events.reduce((s, e) => decider.evolve(s, e), state);
    answers.push(
      decision.kind === 'accept' ? 'accept' : decision.kind === 'nothing' ? decision.reason : decision.refusal,
    );
  }
  return { state, answers };
};
export const code = (answer: string | Refusal | undefined) => (typeof answer === 'string' ? answer : answer?.code);

export const uuid = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
export const net = (n: number) => `sdwan_network-${uuid(n)}`;
