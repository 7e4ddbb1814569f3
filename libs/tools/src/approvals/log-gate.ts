import {
  canonicalJson,
  deterministicId,
  deterministicUuid,
  isoTime,
  refusal,
  RefusedError,
  type OperatorId,
  type Random,
} from '#kernel';
import type { Principal, SecretStore } from '#access';
import type { ReadModels, ReadYourWrites, Transactor } from '#processing';
import { argumentsInShort } from '../arguments-in-short.js';
import type { ToolDefinition } from '../define-tool.js';
import { approvalDecider } from './decide.js';
import { SEED } from './call-chance.js';
import type { ApprovalGate, GatedCall, ToolRule } from './gate.js';
import { isUnderPolicies, policyDecider, policyFor, policyStream, ruleFor } from './policy.js';
import { toolApprovals } from './projection.js';

export const DEFAULT_TTL_SECONDS = 3_600;
/** Who asks for more than these waits for a human first. */
const MAX_PENDING = 100;

export interface GateParts {
  readonly transactor: Transactor;
  readonly secrets: Pick<SecretStore, 'put'>;
  readonly readModels: ReadModels;
  readonly readYourWrites: ReadYourWrites;
  readonly random: Pick<Random, 'bytes'>;
}

/** Policies and approvals in the log. */
export class LogGate implements ApprovalGate {
  constructor(private readonly parts: GateParts) {}

  async rule(tool: ToolDefinition, principal: Principal): Promise<ToolRule> {
    // What only humans may call is how they get out of a policy again; the answer of an approved call is taken without another.
    if (!isUnderPolicies(tool)) return 'allow';
    const known = await this.parts.transactor.read(policyStream(principal.accountId), policyDecider);
    return known === undefined ? 'allow' : ruleFor(known.state, tool, principal.guarded === true);
  }

  async notify({ tool, input, principal, context }: GatedCall, outcome: string): Promise<void> {
    const approval_id = deterministicId('approval', context.commandId);
    const notice = {
      approval_id,
      tool: tool.name,
      arguments: argumentsInShort(input),
      operator_id: principal.operatorId as OperatorId,
      outcome,
    };
    const command = { type: 'notify', notice } as const;
    await this.parts.transactor.transact(approval_id, approvalDecider, command, stepOf(context, 'notify'));
  }

  /** Under one idempotency key it is one request. */
  async request({ tool, input, principal, context }: GatedCall) {
    const { transactor, secrets, readModels } = this.parts;
    const approvalId = deterministicId('approval', context.commandId);
    const known = (await transactor.read(approvalId, approvalDecider))?.state;
    if (known !== undefined && known.status !== 'pending') throw decided(approvalId, known.status);
    const pending = await readModels.find(toolApprovals, {
      where: { account: principal.accountId, status: 'pending' },
      limit: MAX_PENDING,
    });
    if (pending.length >= MAX_PENDING && !pending.some(({ id }) => id === approvalId)) throw tooMany();
    const policies = await transactor.read(policyStream(principal.accountId), policyDecider);
    const policy = policies === undefined ? undefined : policyFor(policies.state, tool, principal.guarded === true);
    const ttlMs = (policy?.ttl_seconds ?? DEFAULT_TTL_SECONDS) * 1_000;
    if (known?.call === undefined)
      await secrets.put(approvalId, SEED, Buffer.from(this.parts.random.bytes(32)).toString('hex'));
    const ref = known?.call?.arguments_ref ?? (await secrets.put(approvalId, 'arguments', canonicalJson(input))).ref;
    const call = {
      approval_id: approvalId,
      tool: tool.name,
      arguments: argumentsInShort(input),
      arguments_ref: ref,
      operator_id: principal.operatorId as OperatorId,
      operator_name: principal.name,
      guarded: principal.guarded === true,
      permissions: [...principal.permissions].sort(),
      ...(principal.tokenId === undefined ? {} : { token_id: principal.tokenId }),
      expires_at: isoTime(context.nowMs + ttlMs),
    };
    const command = { type: 'request', call } as const;
    const done = await transactor.transact(approvalId, approvalDecider, command, stepOf(context, 'request'));
    if (done.kind === 'refused') throw new RefusedError(done.refusal);
    // Whoever asks next how it stands finds it.
    await this.parts.readYourWrites.waitFor(done.position!, [toolApprovals.name]);
    return { approvalId, position: done.position! };
  }
}

const stepOf = (context: GatedCall['context'], step: string): GatedCall['context'] => ({
  ...context,
  commandId: deterministicUuid(`approval-${step}`, context.commandId),
});

const decided = (approvalId: string, status: string) =>
  new RefusedError(
    refusal(409, 'already_decided', `this call waited for an approval before, and that is ${status}`, {
      field: 'idempotency_key',
      hint: `get_approval({approval_id: "${approvalId}"}) tells what came of it; a new call needs a new key`,
      candidates: [{ id: approvalId }],
    }),
  );

const tooMany = () =>
  new RefusedError(
    refusal(429, 'too_many_pending', `${MAX_PENDING} calls wait for an approval already`, {
      hint: 'list_approvals({status: "pending"}) shows them; somebody has to decide on some first',
    }),
  );
