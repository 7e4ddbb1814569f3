import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { canonicalJson, CLOCK, isoTime, RefusedError, type Clock, type OperatorId } from '#kernel';
import { operatorDecider, presentAuthority, SECRET_STORE, type Principal, type SecretStore } from '#access';
import { TRANSACTOR, type CommandContext, type CommandResult, type Transactor } from '#processing';
import type { ToolAnswer } from '../tool-call.js';
import { ToolRegistry } from '../tool-registry.js';
import { ANSWER_KEPT_MS } from './answer.js';
import { ANSWER, answerHandlers, answerRef, answerSubject } from './answer-handlers.js';
import { callChance, SEED } from './call-chance.js';
import { DecideApproval, ExpireApproval, PerformApproved, SetToolPolicy } from './commands.js';
import { approvalDecider, type ApprovalCommand } from './decide.js';
import type { Completion, RequestedCall } from './events.js';
import { policyDecider, policyStream } from './policy.js';

type Result = CommandResult<void>;

const transact = async (
  transactor: Transactor,
  approvalId: string,
  command: ApprovalCommand,
  context: CommandContext,
): Promise<Result> => {
  const done = await transactor.transact(approvalId, approvalDecider, command, context);
  if (done.kind === 'refused') return done;
  return { kind: 'done', value: undefined, ...(done.position === undefined ? {} : { position: done.position }) };
};

@CommandHandler(SetToolPolicy)
export class SetToolPolicyHandler implements ICommandHandler<SetToolPolicy> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: SetToolPolicy): Promise<Result> {
    const stream = policyStream(context.accountId);
    const done = await this.transactor.transact(stream, policyDecider, payload.policy, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: undefined, ...(done.kind === 'accepted' ? { position: done.position } : {}) };
  }
}

@CommandHandler(DecideApproval)
export class DecideApprovalHandler implements ICommandHandler<DecideApproval> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  execute({ payload, context }: DecideApproval): Promise<Result> {
    const { decision: type, comment } = payload;
    const command = { type, by: context.actor.id as OperatorId, comment, nowMs: context.nowMs };
    return transact(this.transactor, payload.approval_id, command, context);
  }
}

@CommandHandler(ExpireApproval)
export class ExpireApprovalHandler implements ICommandHandler<ExpireApproval> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  execute({ payload, context }: ExpireApproval): Promise<Result> {
    const command = { type: 'expire', nowMs: this.clock.wallMs() } as const;
    return transact(this.transactor, payload.approval_id, command, context);
  }
}

@CommandHandler(PerformApproved)
export class PerformApprovedHandler implements ICommandHandler<PerformApproved> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async execute({ payload: { approval_id }, context }: PerformApproved): Promise<Result> {
    const known = await this.transactor.read(approval_id, approvalDecider);
    const call = known?.state.call;
    if (known?.state.status !== 'approved' || call === undefined) return { kind: 'done', value: undefined };
    const completion = (await this.sealedBefore(approval_id)) ?? (await this.make(call, context.accountId));
    return transact(this.transactor, approval_id, { type: 'complete', completion }, context);
  }

  /** The platform died after the call was made and its answer sealed: making it again could answer less. */
  private async sealedBefore(approvalId: string): Promise<Completion | undefined> {
    const json = await this.secrets.get(answerRef(approvalId));
    if (json === undefined) return undefined;
    return this.kept(approvalId, completionOf({ kind: 'ok', data: JSON.parse(json) as Record<string, unknown> }));
  }

  private kept(approvalId: string, completion: Completion): Completion {
    const answer_expires_at = isoTime(this.clock.wallMs() + ANSWER_KEPT_MS);
    return { ...completion, answer_subject: answerSubject(approvalId), answer_expires_at };
  }

  private async make(call: RequestedCall, accountId: string): Promise<Completion> {
    const { approval_id } = call;
    const given = await this.secrets.get(call.arguments_ref);
    if (given === undefined) throw new Error(`the arguments of ${approval_id} are gone before it was made`);
    const owner = await this.transactor.read(call.operator_id, operatorDecider);
    const asker = { tokenId: call.token_id, permissions: new Set(call.permissions) };
    const seed = await this.secrets.get(`${approval_id}#${SEED}`);
    const authority = presentAuthority(owner?.state, asker, this.clock.wallMs());
    const answer: ToolAnswer =
      authority.kind === 'none'
        ? { kind: 'refused', refusal: authority.refusal }
        : await this.registry.call({
            name: call.tool,
            arguments: JSON.parse(given) as unknown,
            principal: principalOf(call, accountId, authority.permissions),
            approvalId: approval_id,
            // Absent where an earlier build wrote the request down.
            ...(seed === undefined ? {} : { chance: callChance(seed) }),
          });
    // An outage is not the call's end: the process manager sends this again.
    if (answer.kind === 'refused' && answer.refusal.status === 503) throw new RefusedError(answer.refusal);
    if (answer.kind !== 'ok') return completionOf(answer);
    await this.secrets.put(answerSubject(approval_id), ANSWER, canonicalJson(answer.data));
    return this.kept(approval_id, completionOf(answer));
  }
}

/** Who asked, with what they may do now: an approval lends nothing to who has lost it meanwhile. */
const principalOf = (call: RequestedCall, accountId: string, permissions: ReadonlySet<string>): Principal => ({
  operatorId: call.operator_id,
  accountId,
  name: call.operator_name,
  permissions,
  ...(call.guarded ? { guarded: true } : {}),
});

const completionOf = (answer: ToolAnswer): Completion => {
  const none = { code: null, message: null, correlation_id: null };
  switch (answer.kind) {
    case 'ok': {
      const { outcome, correlation_id } = answer.data;
      return { ...none, outcome: outcome === 'nothing' ? 'nothing' : 'done', correlation_id: String(correlation_id) };
    }
    case 'refused': {
      const { code, message } = answer.refusal;
      return { ...none, outcome: 'refused', code, message: message.slice(0, 500) };
    }
    default:
      return { ...none, outcome: 'failed', correlation_id: answer.kind === 'failed' ? answer.correlationId : null };
  }
};

export const approvalHandlers = [
  SetToolPolicyHandler,
  DecideApprovalHandler,
  ExpireApprovalHandler,
  PerformApprovedHandler,
  ...answerHandlers,
];
