import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { CLOCK, isoTime, refusal, uuidOf, type Clock, type OperatorId } from '#kernel';
import { SECRET_STORE, type SecretStore } from '#access';
import { TRANSACTOR, type CommandResult, type Transactor } from '#processing';
import { strangerRefusal } from './answer.js';
import { EndAnswer, TakeAnswer, type TakenAnswer } from './commands.js';
import { approvalDecider } from './decide.js';

export const ANSWER = 'answer';
/** A subject of its own: the approval's ends with the call, the answer outlives it. */
export const answerSubject = (approvalId: string): string => `approval_answer-${uuidOf(approvalId)}`;
export const answerRef = (approvalId: string): string => `${answerSubject(approvalId)}#${ANSWER}`;

@CommandHandler(TakeAnswer)
export class TakeAnswerHandler implements ICommandHandler<TakeAnswer> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** It is opened first: a store that is away must not use it up. */
  async execute({ payload: { approval_id, guarded }, context }: TakeAnswer): Promise<CommandResult<TakenAnswer>> {
    const before = await this.secrets.find(answerRef(approval_id));
    const command = { type: 'take', by: context.actor.id as OperatorId, guarded, nowMs: this.clock.wallMs() } as const;
    const done = await this.transactor.transact(approval_id, approvalDecider, command, context);
    if (done.kind === 'refused') return done;
    // Nothing was decided for the same call under the same key, which somebody else may have found.
    const stranger = strangerRefusal(command, done.state);
    if (stranger !== undefined) return { kind: 'refused', refusal: stranger };
    // Not there before, and yet it could be taken: it was sealed in between.
    const found = before.kind === 'unknown' ? await this.secrets.find(answerRef(approval_id)) : before;
    if (found.kind !== 'found') {
      const when = found.kind === 'shredded' ? ` at ${isoTime(found.atMs)}` : '';
      const message = `the answer of ${approval_id} was told, and shredded${when}`;
      return { kind: 'refused', refusal: refusal(410, 'answer_taken', message, { field: 'approval_id' }) };
    }
    const position = done.position === undefined ? {} : { position: done.position };
    return { kind: 'done', value: { json: found.plaintext }, ...position };
  }
}

@CommandHandler(EndAnswer)
export class EndAnswerHandler implements ICommandHandler<EndAnswer> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** What was sealed is shredded by the event (EventDefinition.ends). */
  async execute({ payload, context }: EndAnswer): Promise<CommandResult<void>> {
    const command = { type: 'end_answer', nowMs: this.clock.wallMs() } as const;
    const done = await this.transactor.transact(payload.approval_id, approvalDecider, command, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: undefined, ...(done.position === undefined ? {} : { position: done.position }) };
  }
}

export const answerHandlers = [TakeAnswerHandler, EndAnswerHandler];
