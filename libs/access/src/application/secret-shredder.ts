import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Inject } from '@nestjs/common';
import { failpoint, type EventCatalogue } from '#kernel';
import {
  Command,
  defineProcessManager,
  TRANSACTOR,
  type CommandResult,
  type ProcessManager,
  type Transactor,
} from '#processing';
import { secretsStreamOf, secretSubjectDecider } from '../domain/secrets/subject.js';
import { SECRET_STORE, type SecretStore } from '../ports.js';

/** Deletes the data key of a subject that has ended, and writes that down. */
export class ShredSecrets extends Command<{ readonly subject: string; readonly because: string }> {
  static readonly type = 'access.shred_secrets';
}

/**
 * Shreds the secrets of whatever an event ends (EventDefinition.ends). Driven by the log, so that it happens also when the
 * platform dies between the event and the shredding. One process per subject.
 */
export const secretShredder = (catalogue: Pick<EventCatalogue, 'get'>): ProcessManager<null> =>
  defineProcessManager<null>({
    name: 'secret_shredder',
    agentId: 'secret_shredder_agent',
    correlate: (event) => {
      const field = catalogue.get(event.type)?.ends;
      return field === undefined ? undefined : String(event.data[field]);
    },
    initial: null,
    react: (state, input) => {
      if (input.kind !== 'event') return { state, outputs: [] };
      const { type, data } = input.event;
      const subject = String(data[catalogue.get(type)!.ends!]);
      return { state, outputs: [{ kind: 'command', type: ShredSecrets.type, payload: { subject, because: type } }] };
    },
  });

/** Safe to repeat at every point: the store remembers what it shredded, and the record is made once. */
@CommandHandler(ShredSecrets)
export class ShredSecretsHandler implements ICommandHandler<ShredSecrets> {
  constructor(
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
  ) {}

  async execute({ payload, context }: ShredSecrets): Promise<CommandResult<void>> {
    const { subject, because } = payload;
    await failpoint('secret.shredding');
    const { keyId, names } = await this.secrets.shred(subject);
    // Of most subjects nothing is kept; that is no news.
    if (keyId === null) return { kind: 'done', value: undefined };
    const record = { subject, dataKeyId: keyId, names, because };
    const done = await this.transactor.transact(secretsStreamOf(subject), secretSubjectDecider, record, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: undefined, ...(done.position === undefined ? {} : { position: done.position }) };
  }
}
