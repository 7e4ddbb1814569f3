import { accept, nothing, type Decider, type EventLinks, type EventOf } from '#kernel';
import { SecretsShredded } from '../events.js';

export type SecretsEvent = EventOf<typeof SecretsShredded>;

export interface RecordShredded {
  readonly subject: string;
  readonly dataKeyId: string;
  readonly names: readonly string[];
  /** Kind of the event that ended the subject. */
  readonly because: string;
}

/** Where it stands that the secrets of a subject are gone: not on the subject's own stream, which another context decides. */
export const secretsStreamOf = (subject: string): string => `secret_subject-${subject}`;

const LINKED = ['node', 'instance', 'cluster'] as const;
const linksOf = (subject: string): EventLinks => {
  const kind = LINKED.find((name) => subject.startsWith(`${name}-`));
  return kind === undefined ? {} : { [kind]: subject };
};

/** Shredding happens once, and so does its record, however often it is asked for. */
export const secretSubjectDecider: Decider<{ readonly recorded: boolean }, RecordShredded, SecretsEvent> = {
  initial: { recorded: false },
  evolve: () => ({ recorded: true }),
  decide: ({ subject, dataKeyId, names, because }, state) =>
    state.recorded
      ? nothing('recorded_before')
      : accept(
          SecretsShredded({ subject, data_key_id: dataKeyId, names: [...names], because }, { links: linksOf(subject) }),
        ),
};
