import { accept, reject, refusal, type Decision, type OperatorId, type Refusal } from '#kernel';
import { permits } from '#access';
import { AnswerTaken, type ApprovalEvent } from './events.js';
import type { ApprovalState } from './state.js';

export interface TakeCommand {
  readonly type: 'take';
  readonly by: OperatorId;
  /** With a token for AI operators. */
  readonly guarded: boolean;
  readonly nowMs: number;
}

/** How long it waits for who asked: they may be away until tomorrow. */
export const ANSWER_KEPT_MS = 24 * 3_600_000;

const refused = (...[status, code, message, hint]: readonly [Refusal['status'], string, string, string]): Refusal =>
  refusal(status, code, message, { field: 'approval_id', hint });

const ANEW = 'make the call again if you still need it; it waits for an approval again';

const notMade = ({ status, completion }: ApprovalState, id: string): Refusal => {
  const see = `get_approval({approval_id: "${id}"}) tells how it stands`;
  if (status === 'pending') return refused(409, 'not_decided', `${id} waits for its approval`, see);
  if (status === 'approved') return refused(409, 'not_made_yet', `the call of ${id} is being made`, 'call again');
  if (status !== 'completed') return refused(410, 'no_answer', `${id} is ${status}: the call was not made`, see);
  const came = completion?.outcome ?? 'done';
  return refused(410, 'no_answer', `the call of ${id} left no answer: its outcome is ${came}`, see);
};

/**
 * Only who asked is told, whichever of their calls it is. Not with a token for AI operators what an ordinary token asked for: that
 * would hand it the other's powers.
 */
export const strangerRefusal = (
  { by, guarded }: Omit<TakeCommand, 'type'>,
  state: ApprovalState,
): Refusal | undefined => {
  const { call } = state;
  if (call === undefined)
    return refusal(404, 'approval_not_found', 'there is no such approval', { field: 'approval_id' });
  const { operator_id, operator_name: name } = call;
  if (by !== operator_id)
    return refused(
      403,
      'not_your_call',
      `only ${name}, who asked for it, is told its answer`,
      `${name} has to take it`,
    );
  if (!guarded || call.guarded) return undefined;
  const message = 'an ordinary token asked for it: a guarded one is not told its answer';
  return refused(403, 'human_needed', message, 'take it with an ordinary token');
};

/** Taken once. */
export const takeAnswer = (command: TakeCommand, state: ApprovalState): Decision<ApprovalEvent> => {
  const stranger = strangerRefusal(command, state);
  if (stranger !== undefined) return reject(stranger);
  const { approval_id, operator_id } = state.call!;
  const { answer } = state;
  if (answer === null) return reject(notMade(state, approval_id));
  if (answer.taken)
    return reject(refused(410, 'answer_taken', `the answer of ${approval_id} was taken before: it is told once`, ANEW));
  const { ended, expiresAt } = answer;
  if (ended || command.nowMs >= Date.parse(expiresAt))
    return reject(
      refused(410, 'answer_expired', `the answer of ${approval_id} waited until ${expiresAt} and is gone`, ANEW),
    );
  return accept(AnswerTaken({ approval_id, operator_id }));
};

/** The same in the words of a human's command line. */
export const takeCommand = (id: string): string => `drover approval take ${id}`;

const TAKE = 'system.approvals.take';

/** What a call that waits is answered, beside its approval's id. Not every token that may ask may also be told. */
export const pendingWarnings = (id: string, permissions: ReadonlySet<string>): string[] => [
  `nothing was done yet: get_approval({approval_id: "${id}"}) tells how it stands`,
  `once it was approved and made, take_approved_answer({approval_id: "${id}"}) or \`${takeCommand(id)}\` tells you, and nobody else, ` +
    `its answer, once, for ${ANSWER_KEPT_MS / 3_600_000} hours` +
    (permits(permissions, TAKE) ? '' : `, with a token of yours that has ${TAKE}: this one has not`),
];
