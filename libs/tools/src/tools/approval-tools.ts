import { nearest, refusal, RefusedError, type Clock, type Timers } from '#kernel';
import { permits } from '#access';
import type { ReadModels, Transactor } from '#processing';
import { takeCommand } from '../approvals/answer.js';
import { DecideApproval, SetToolPolicy, TakeAnswer } from '../approvals/commands.js';
import { approvalDecider } from '../approvals/decide.js';
import { approvalConditions } from '../approvals/status.js';
import { isUnderPolicies, policyDecider, policyStream, POLICY_CLASSES } from '../approvals/policy.js';
import { toolApprovals, type ApprovalDoc } from '../approvals/projection.js';
import type { ToolCall } from '../define-tool.js';
import type { ToolRegistry } from '../tool-registry.js';
import * as tools from './definitions.js';

export interface ApprovalToolServices {
  readonly readModels: ReadModels;
  readonly transactor: Transactor;
  readonly timers: Timers;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly registry: ToolRegistry;
}

const POLL_MS = 50;
const WAIT_MS = 5_000;

const view = (whole: ApprovalDoc, nowMs: number): tools.ApprovalOutput => {
  const { id, status, call, ...doc } = whole;
  if (call === undefined || status === 'none' || status === 'notified') throw new Error(`${id} holds no call`);
  const { completion } = doc;
  const answer = answerView(id, doc, nowMs);
  return {
    id,
    status,
    tool: call.tool,
    arguments: { ...call.arguments },
    requested_by: { operator_id: call.operator_id, name: call.operator_name, guarded: call.guarded },
    requested_at: doc.requested_at,
    expires_at: call.expires_at,
    decided_by: doc.decidedBy,
    decided_at: doc.decided_at,
    comment: doc.comment,
    outcome: completion?.outcome ?? null,
    error: completion?.code == null ? null : { code: completion.code, message: completion.message ?? '' },
    correlation_id: completion?.correlation_id ?? null,
    answer,
    ...approvalConditions(whole, answer?.status ?? null),
  };
};

const answerView = (id: string, { answer, taken_at }: Pick<ApprovalDoc, 'answer' | 'taken_at'>, nowMs: number) => {
  if (answer === null) return null;
  const isOver = answer.ended || nowMs >= Date.parse(answer.expiresAt);
  const status = answer.taken ? ('taken' as const) : isOver ? ('expired' as const) : ('ready' as const);
  const take = status === 'ready' ? `take_approved_answer, or ${takeCommand(id)}` : null;
  return { status, expires_at: answer.expiresAt, taken_at, take };
};

const find = async (readModels: ReadModels, call: ToolCall, wanted: string): Promise<ApprovalDoc> => {
  const doc = await readModels.get(toolApprovals, wanted);
  if (doc !== undefined && doc.account === call.accountId) return doc;
  const all = await readModels.find(toolApprovals, { where: { account: call.accountId }, limit: 500 });
  const near = nearest(
    wanted,
    all.map(({ id }) => id),
  );
  throw new RefusedError(
    refusal(404, 'approval_not_found', `there is no approval ${JSON.stringify(wanted.slice(0, 100))}`, {
      field: 'approval_id',
      hint: near === undefined ? 'list_approvals shows what there is' : `did you mean ${near}?`,
    }),
  );
};

export const registerApprovalTools = (services: ApprovalToolServices): void => {
  const { registry, readModels, transactor, clock } = services;
  const shown = (doc: ApprovalDoc) => view(doc, clock.wallMs());
  registry.add(tools.listApprovalsTool, async ({ status, limit, cursor }, call) => {
    const where = { account: call.accountId, ...(status === undefined ? {} : { status }) };
    const after = cursor === undefined ? {} : { after: cursor };
    const docs = await readModels.find(toolApprovals, { where, limit: limit + 1, ...after });
    const page = docs.slice(0, limit);
    return { approvals: page.map(shown), next_cursor: docs.length > limit ? page.at(-1)!.id : null };
  });
  registry.add(tools.getApprovalTool, async ({ approval_id }, call) => ({
    approval: shown(await find(readModels, call, approval_id)),
  }));
  const decide =
    (decision: 'approve' | 'reject') => async (input: { approval_id: string; comment: string }, call: ToolCall) => {
      const { id, call: asked } = await find(readModels, call, input.approval_id);
      if (decision === 'approve' && asked !== undefined) requireToolPermission(registry, asked.tool, call);
      await call.run(DecideApproval, { approval_id: id, decision, comment: input.comment });
      if (decision === 'approve') await performed(services, id, call);
      await call.settle(toolApprovals);
      return { approval: shown(await find(readModels, call, id)) };
    };
  registry.add(tools.approveOperationTool, decide('approve'));
  registry.add(tools.rejectOperationTool, decide('reject'));
  registry.add(tools.takeApprovedAnswerTool, async ({ approval_id }, call) => {
    const { id, call: asked } = await find(readModels, call, approval_id);
    if (asked !== undefined) requireToolPermission(registry, asked.tool, call, 'takes the answer of');
    const { json } = await call.run(TakeAnswer, { approval_id: id, guarded: call.guarded });
    await call.settle(toolApprovals);
    return { approval_id: id, tool: asked!.tool, answer: JSON.parse(json) as Record<string, unknown> };
  });
  registry.add(tools.setToolPolicyTool, async (input, call) => {
    checkPolicyTool(registry, input.tool);
    await call.run(SetToolPolicy, { policy: input });
    return { policy: input };
  });
  registry.add(tools.listToolPoliciesTool, async (_, call) => {
    const known = await transactor.read(policyStream(call.accountId), policyDecider);
    return { policies: Object.values(known?.state.policies ?? {}) };
  });
};

/** Who may not make a call themselves cannot let another make it. */
const requireToolPermission = (registry: ToolRegistry, tool: string, call: ToolCall, does = 'approves'): void => {
  const wanted = registry.definition(tool)?.permission;
  if (wanted === undefined || permits(call.permissions, wanted)) return;
  throw new RefusedError(
    refusal(403, 'permission_denied', `who ${does} ${tool} needs its permission ${wanted}`, {
      hint:
        does === 'approves'
          ? `somebody with ${wanted} and system.approvals.decide has to approve it; rejecting needs only the latter`
          : `take it with a token of yours that has ${wanted}`,
      candidates: [{ id: wanted }],
    }),
  );
};

/** The process manager makes the call; whoever approved it wants to know what came of it, if that is soon. */
const performed = async ({ transactor, readModels, timers }: ApprovalToolServices, id: string, call: ToolCall) => {
  for (let waitedMs = 0; waitedMs < WAIT_MS && !call.signal.aborted; waitedMs += POLL_MS) {
    const { status } = (await transactor.read(id, approvalDecider))!.state;
    if (status === 'completed' && (await readModels.get(toolApprovals, id))?.status === 'completed') return;
    await new Promise<void>((resolve) => timers.after(POLL_MS, resolve));
  }
  call.warn('the call is not made yet: get_approval tells when it is');
};

const noPolicyFor = (tool: string): RefusedError =>
  new RefusedError(
    refusal(
      400,
      'invalid_parameter',
      `tool: no policy applies to ${tool}: approved calls go on with it, or humans decide with it`,
      {
        field: 'tool',
        hint: `set one for the tool whose calls are to wait, or for one of ${POLICY_CLASSES.join(', ')}`,
        candidates: POLICY_CLASSES.map((id) => ({ id })),
      },
    ),
  );

const checkPolicyTool = (registry: ToolRegistry, wanted: string): void => {
  if ((POLICY_CLASSES as readonly string[]).includes(wanted)) return;
  const tool = registry.definition(wanted);
  if (tool !== undefined && isUnderPolicies(tool) && tool.name === wanted) return;
  if (tool !== undefined && tool.danger !== 'read' && tool.name === wanted) throw noPolicyFor(wanted);
  const choices = [...POLICY_CLASSES, ...registry.changingTools()];
  const near = nearest(wanted, choices);
  throw new RefusedError(
    refusal(
      400,
      'invalid_parameter',
      `tool: ${JSON.stringify(wanted.slice(0, 100))} is no changing tool and no class of them`,
      {
        field: 'tool',
        hint: near === undefined ? `a changing tool, or one of ${POLICY_CLASSES.join(', ')}` : `did you mean ${near}?`,
        candidates: (near === undefined ? POLICY_CLASSES : [near]).map((id) => ({ id })),
      },
    ),
  );
};
