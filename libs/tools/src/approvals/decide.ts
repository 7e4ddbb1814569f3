import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision, type OperatorId } from '#kernel';
import { takeAnswer, type TakeCommand } from './answer.js';
import {
  AnswerEnded,
  ApprovalApproved,
  ApprovalCompleted,
  ApprovalExpired,
  ApprovalRejected,
  ApprovalRequested,
  CallNotified,
  type ApprovalEvent,
  type Completion,
  type RequestedCall,
} from './events.js';
import type { ApprovalState, ApprovalStatus } from './state.js';

export type { ApprovalState, ApprovalStatus };

type Notice = ReturnType<typeof CallNotified>['data'];

export type ApprovalCommand =
  | TakeCommand
  | { readonly type: 'end_answer'; readonly nowMs: number }
  | { readonly type: 'request'; readonly call: RequestedCall }
  | { readonly type: 'notify'; readonly notice: Notice }
  | { readonly type: 'approve' | 'reject'; readonly by: OperatorId; readonly comment: string; readonly nowMs: number }
  | { readonly type: 'expire'; readonly nowMs: number }
  | { readonly type: 'complete'; readonly completion: Completion };

const notFound = () =>
  reject(refusal(404, 'approval_not_found', 'there is no such approval', { field: 'approval_id' }));

const decideOn = (
  command: Extract<ApprovalCommand, { type: 'approve' | 'reject' }>,
  { status, call }: ApprovalState,
): Decision<ApprovalEvent> => {
  if (call === undefined) return notFound();
  const wanted = command.type === 'approve' ? 'approved' : 'rejected';
  if (status === wanted || (wanted === 'approved' && status === 'completed')) return nothing(`already_${wanted}`);
  const { approval_id } = call;
  if (status === 'expired' || (status === 'pending' && command.nowMs >= Date.parse(call.expires_at))) {
    const hint = 'the call has to be made again';
    return reject(
      refusal(410, 'approval_expired', `${approval_id} was not decided in time`, { field: 'approval_id', hint }),
    );
  }
  if (status !== 'pending') {
    return reject(refusal(409, 'already_decided', `${approval_id} is ${status}`, { field: 'approval_id' }));
  }
  // A guarded token belongs to a program that its owner may well answer for; an ordinary one is the owner.
  if (wanted === 'approved' && !call.guarded && command.by === call.operator_id) {
    const hint = 'another operator has to approve it';
    return reject(refusal(403, 'own_request', 'nobody approves a call of their own', { field: 'approval_id', hint }));
  }
  const data = { approval_id, operator_id: command.by, comment: command.comment };
  return accept<ApprovalEvent>(wanted === 'approved' ? ApprovalApproved(data) : ApprovalRejected(data));
};

const endAnswer = (nowMs: number, { call, answer }: ApprovalState): Decision<ApprovalEvent> => {
  if (call === undefined || answer === null || answer.ended) return nothing('ended');
  if (!answer.taken && nowMs < Date.parse(answer.expiresAt)) return nothing('not_yet');
  const because = answer.taken ? 'taken' : 'expired';
  return accept(AnswerEnded({ approval_id: call.approval_id, answer_subject: answer.subject, because }));
};

const decide = (command: ApprovalCommand, state: ApprovalState): Decision<ApprovalEvent> => {
  switch (command.type) {
    case 'request':
      return state.status === 'none' ? accept(ApprovalRequested(command.call)) : nothing('already_requested');
    case 'notify':
      return state.status === 'none' ? accept(CallNotified(command.notice)) : nothing('already_told');
    case 'approve':
    case 'reject':
      return decideOn(command, state);
    case 'expire': {
      if (state.call === undefined || state.status !== 'pending') return nothing('decided');
      if (command.nowMs < Date.parse(state.call.expires_at)) return nothing('not_yet');
      return accept(ApprovalExpired({ approval_id: state.call.approval_id }));
    }
    case 'complete':
      if (state.call === undefined || state.status !== 'approved') return nothing('not_approved');
      return accept(ApprovalCompleted({ approval_id: state.call.approval_id, ...command.completion }));
    case 'take':
      return takeAnswer(command, state);
    case 'end_answer':
      return endAnswer(command.nowMs, state);
    default:
      return assertNever(command);
  }
};

const evolve = (state: ApprovalState, event: ApprovalEvent): ApprovalState => {
  switch (event.type) {
    case 'system.approval.requested':
      return { ...state, status: 'pending', call: event.data };
    case 'system.approval.approved':
    case 'system.approval.rejected': {
      const status = event.type === 'system.approval.approved' ? 'approved' : 'rejected';
      return { ...state, status, decidedBy: event.data.operator_id, comment: event.data.comment };
    }
    case 'system.approval.expired':
      return { ...state, status: 'expired' };
    case 'system.approval.completed': {
      const { outcome, code, message, correlation_id, answer_subject: subject, answer_expires_at: until } = event.data;
      const answer =
        subject === undefined || until === undefined ? null : { subject, expiresAt: until, taken: false, ended: false };
      return { ...state, status: 'completed', completion: { outcome, code, message, correlation_id }, answer };
    }
    case 'system.approval.answer_taken':
      return { ...state, answer: state.answer === null ? null : { ...state.answer, taken: true } };
    case 'system.approval.answer_ended':
      return { ...state, answer: state.answer === null ? null : { ...state.answer, ended: true } };
    case 'system.approval.notified':
      return { ...state, status: 'notified' };
    default:
      return assertNever(event);
  }
};

/** A call that waits for a human, from the wish to its end. One stream each. */
export const approvalDecider: Decider<ApprovalState, ApprovalCommand, ApprovalEvent> = {
  initial: { status: 'none', call: undefined, decidedBy: null, comment: null, completion: null, answer: null },
  decide,
  evolve,
};
