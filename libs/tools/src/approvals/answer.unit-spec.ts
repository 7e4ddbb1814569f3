import { z } from 'zod';
import { ManualClock, refusal, RefusedError, sha256Hex, silentLog, systemIds, systemRandom } from '#kernel';
import {
  accessEvents,
  EnvelopeSecretStore,
  MemorySecretRows,
  operatorDecider,
  secretShredder,
  ShredSecrets,
  ShredSecretsHandler,
  type Principal,
} from '#access';
import { createInMemoryPlatform, type CommandResult } from '#processing';
import { CursorCodec } from '../cursor.js';
import { defineTool } from '../define-tool.js';
import { MemoryIdempotencyLedger } from '../idempotency.js';
import { ToolRegistry } from '../tool-registry.js';
import { registerApprovalTools } from '../tools/approval-tools.js';
import { answerRef, EndAnswerHandler, TakeAnswerHandler } from './answer-handlers.js';
import { ANSWER_KEPT_MS } from './answer.js';
import { DecideApproval, EndAnswer, ExpireApproval, PerformApproved, SetToolPolicy, TakeAnswer } from './commands.js';
import { toolEvents } from './events.js';
import * as handlers from './handlers.js';
import { LogGate } from './log-gate.js';
import { approvalsManager } from './manager.js';
import { toolApprovals } from './projection.js';

type Answer = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any

const ACCOUNT = 'account-00000000-0000-4000-8000-00000000000a';
const id = (n: number) => `operator-00000000-0000-4000-8000-00000000000${n}` as const;

const letIn = defineTool({
  name: 'system_let_in',
  group: 'nodes',
  summary: 'Lets somebody in',
  description: 'Lets somebody in.',
  input: z.object({ name: z.string() }),
  output: z.object({ url: z.string() }),
  permission: 'system.sdwan.grant',
  danger: 'change',
});

/** Keeps what it is given, except where the test says that the platform died before it could. */
class MortalSecrets extends EnvelopeSecretStore {
  diesBeforeAnswer = 0;
  override async put(subject: string, name: string, plaintext: string) {
    if (name === 'answer' && this.diesBeforeAnswer-- > 0) throw new Error('killed');
    return super.put(subject, name, plaintext);
  }
  /** Once, between looking for a secret and what the finder does next. */
  meanwhile: (() => Promise<unknown>) | undefined;
  override async find(ref: string) {
    const found = await super.find(ref);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    await meanwhile?.();
    return found;
  }
}

const world = async () => {
  const clock = new ManualClock();
  const definitions = [...toolEvents, ...accessEvents];
  const platform = createInMemoryPlatform({ definitions, clock });
  const { transactor, readModels, readYourWrites, processing, dispatcher, catalogue } = platform;
  const secrets = new MortalSecrets(new MemorySecretRows(), new Uint8Array(32).fill(7), systemRandom, systemIds);
  const registry = new ToolRegistry({
    ...{ dispatcher, readYourWrites, clock, ids: systemIds, log: silentLog, onBadOutput: 'throw' as const },
    ledger: new MemoryIdempotencyLedger(),
    cursors: new CursorCodec(new Uint8Array(32)),
  });
  registry.useGate(new LogGate({ transactor, secrets, readModels, readYourWrites, random: systemRandom }));
  // As the platform's own: tools are sent commands, and wait for what the others make of them.
  const timers = { after: (_ms: number, run: () => void) => (void platform.drain().then(run, run), () => undefined) };
  registerApprovalTools({ registry, readModels, transactor, timers: timers as never, clock });
  const all = [
    [SetToolPolicy, new handlers.SetToolPolicyHandler(transactor)],
    [DecideApproval, new handlers.DecideApprovalHandler(transactor)],
    [ExpireApproval, new handlers.ExpireApprovalHandler(transactor, clock)],
    [PerformApproved, new handlers.PerformApprovedHandler(transactor, secrets, registry, clock)],
    [TakeAnswer, new TakeAnswerHandler(transactor, secrets, clock)],
    [EndAnswer, new EndAnswerHandler(transactor, clock)],
    [ShredSecrets, new ShredSecretsHandler(secrets, transactor)],
  ] as const;
  for (const [type, handler] of all) {
    const execute = (command: unknown) => handler.execute(command as never) as Promise<CommandResult<unknown>>;
    platform.handle(type as never, execute as never);
  }
  for (const type of [ExpireApproval, PerformApproved, EndAnswer, ShredSecrets]) processing.addCommand(type as never);
  processing.addProjection(toolApprovals);
  processing.addProcessManager(approvalsManager);
  processing.addProcessManager(secretShredder(catalogue));

  // The digest is in the log from the first try on: another secret would open nothing.
  const made = new Map<string, string>();
  registry.add(letIn, async ({ name }, call) => {
    const url = `https://x/${Buffer.from((call.chance ?? systemRandom).bytes(40)).toString('hex')}`;
    if ((made.get(name) ?? sha256Hex(url)) !== sha256Hex(url))
      throw new RefusedError(refusal(409, 'token_told_already', 'told before'));
    made.set(name, sha256Hex(url));
    return { url };
  });

  const operator = async (n: number, name: string, guarded = false): Promise<Principal> => {
    const operatorId = id(n);
    const tokenId = `token-${n}`;
    const token = { token_id: tokenId, token_digest: 'd', permissions: ['role:operator'], expires_at: null };
    const command = { type: 'create_operator', operatorId, accountId: ACCOUNT, name, token } as const;
    const ids = { commandId: `make-${n}`, correlationId: 'x', causationId: 'x', nowMs: clock.wallMs() };
    const context = { ...ids, accountId: ACCOUNT, actor: { kind: 'operator', id: operatorId } as const };
    await transactor.transact(operatorId, operatorDecider, command, context);
    const permissions = new Set(['role:operator', '*']);
    return { operatorId, accountId: ACCOUNT, name, permissions, tokenId, ...(guarded ? { guarded: true } : {}) };
  };
  const maria = await operator(1, 'maria');
  const boris = await operator(2, 'boris');
  const call = async (name: string, args: object, principal: Principal): Promise<Answer> => {
    const answer = await registry.call({ name, arguments: args, principal });
    await platform.drain();
    if (answer.kind === 'refused') return { code: answer.refusal.code, hint: answer.refusal.hint };
    if (answer.kind !== 'ok') throw new Error(answer.kind);
    return answer.data;
  };
  await call('system_set_tool_policy', { tool: letIn.name, rule: 'require_approval', applies_to: 'everyone' }, boris);
  const ask = async (name = 'laptop', who = maria) => call(letIn.name, { name }, who);
  const approve = async (approval_id: string) => call('approve_operation', { approval_id }, boris);
  const take = (approval_id: string, who: Principal = maria, more = {}) =>
    call('take_approved_answer', { approval_id, ...more }, who);
  const events = async () => {
    const { events: log } = await platform.store.readAll(0n as never, { limit: 1_000 });
    return log;
  };
  const after = async (ms: number) => {
    await clock.advance(ms);
    await platform.drain();
  };
  return { clock, platform, secrets, maria, boris, ask, approve, take, events, after, made, call };
};

const approvalIn = (data: Answer) => data['approval_id'] as string;

describe('the answer of an approved call', () => {
  it('is told to who asked, once, and is in no event', async () => {
    const w = await world();
    const pending = await w.ask();
    const approval_id = approvalIn(pending);
    expect(JSON.stringify(pending['warnings'])).toContain(`drover approval take ${approval_id}`);
    expect(JSON.stringify(pending['warnings'])).toContain('take_approved_answer({approval_id:');
    expect(await w.take(approval_id)).toMatchObject({ code: 'not_decided' });
    const approved = await w.approve(approval_id);
    expect(approved['approval']).toMatchObject({
      status: 'completed',
      outcome: 'nothing',
      answer: { status: 'ready' },
    });
    expect(approved['approval'].answer.take).toContain(`drover approval take ${approval_id}`);
    expect(await w.take(approval_id, w.boris)).toMatchObject({ code: 'not_your_call' });
    const told = await w.take(approval_id);
    expect([sha256Hex(told['answer'].url), told['tool']]).toEqual([w.made.get('laptop'), letIn.name]);
    expect(await w.take(approval_id)).toMatchObject({ code: 'answer_taken', hint: expect.stringContaining('again') });
    expect(JSON.stringify(await w.events(), (_, v) => (typeof v === 'bigint' ? String(v) : v))).not.toContain(
      told['answer'].url.slice(-40),
    );
    expect((await w.call('get_approval', { approval_id }, w.boris))['approval']).toMatchObject({
      answer: { status: 'taken', take: null },
    });
  });

  it('is told again to the same call under the same idempotency key for a minute, and to nobody else who knows the key', async () => {
    const w = await world();
    const approval_id = approvalIn(await w.ask());
    await w.approve(approval_id);
    const key = { idempotency_key: 'take-it' };
    const first = await w.take(approval_id, w.maria, key);
    expect(await w.take(approval_id, w.boris, key)).toMatchObject({ code: 'not_your_call' });
    expect(await w.take(approval_id, { ...w.maria, guarded: true }, key)).toMatchObject({ code: 'human_needed' });
    expect(await w.take(approval_id, w.maria, key)).toEqual(first);
    await w.after(61_000);
    expect(await w.secrets.find(answerRef(approval_id))).toMatchObject({ kind: 'shredded' });
    expect(await w.take(approval_id, w.maria, key)).toMatchObject({ code: 'answer_taken' });
  });

  it('is gone when nobody came for it in time', async () => {
    const w = await world();
    const approval_id = approvalIn(await w.ask());
    await w.approve(approval_id);
    await w.after(ANSWER_KEPT_MS - 1_000);
    expect((await w.secrets.find(answerRef(approval_id))).kind).toBe('found');
    await w.after(2_000);
    expect((await w.secrets.find(answerRef(approval_id))).kind).toBe('shredded');
    expect(await w.take(approval_id)).toMatchObject({ code: 'answer_expired' });
    const ended = (await w.events()).filter(({ type }) => type === 'system.approval.answer_ended');
    expect(ended.map(({ data }) => data['because'])).toEqual(['expired']);
  });

  it('is told to no guarded token of who asked with an ordinary one, and to one that asked itself', async () => {
    const w = await world();
    const approval_id = approvalIn(await w.ask());
    await w.approve(approval_id);
    const assistant = { ...w.maria, guarded: true };
    expect(await w.take(approval_id, assistant)).toMatchObject({ code: 'human_needed' });
    const own = approvalIn(await w.ask('phone', assistant));
    await w.approve(own);
    expect(await w.take(own, assistant)).toMatchObject({ tool: letIn.name });
  });

  it('waits for no approval itself, whatever policy there is on all changes', async () => {
    const w = await world();
    const all = { tool: 'all:change', rule: 'require_approval', applies_to: 'guarded' };
    await w.call('system_set_tool_policy', all, w.boris);
    const assistant = { ...w.maria, guarded: true };
    const approval_id = approvalIn(await w.ask('laptop', assistant));
    await w.approve(approval_id);
    expect(await w.take(approval_id, assistant)).toMatchObject({ tool: letIn.name, answer: { outcome: 'nothing' } });
    const kinds = (await w.events()).map(({ type }) => type);
    expect(kinds.filter((kind) => kind === 'system.approval.requested')).toHaveLength(1);
    const own = { ...all, tool: 'take_approved_answer' };
    const hint = expect.stringContaining('the tool whose calls are to wait');
    expect(await w.call('system_set_tool_policy', own, w.boris)).toMatchObject({ code: 'invalid_parameter', hint });
    const near = { ...all, tool: 'take_approved_answers' };
    expect(await w.call('system_set_tool_policy', near, w.boris)).not.toMatchObject({
      hint: expect.stringContaining('take_approved_answer'),
    });
  });

  it('is told also where it was sealed while it was being asked for', async () => {
    const w = await world();
    const approval_id = approvalIn(await w.ask());
    w.secrets.meanwhile = () => w.approve(approval_id);
    expect(await w.take(approval_id)).toMatchObject({ tool: letIn.name, answer: { outcome: 'nothing' } });
  });

  it('needs another token where the one that asks cannot take it, and the asker hears so at once', async () => {
    const w = await world();
    const lesser = { ...w.maria, permissions: new Set([letIn.permission]) };
    const pending = await w.ask('laptop', lesser);
    expect(JSON.stringify(pending['warnings'])).toContain('a token of yours that has system.approvals.take');
    expect(JSON.stringify((await w.ask('phone'))['warnings'])).not.toContain('system.approvals.take');
    const approval_id = approvalIn(pending);
    await w.approve(approval_id);
    expect(await w.take(approval_id, lesser)).toMatchObject({ code: 'permission_denied' });
    expect(await w.take(approval_id)).toMatchObject({ tool: letIn.name });
  });

  it('is told to nobody who may not make the call, nor to another account', async () => {
    const w = await world();
    const approval_id = approvalIn(await w.ask());
    await w.approve(approval_id);
    const lesser = { ...w.maria, permissions: new Set(['system.approvals.take']) };
    expect(await w.take(approval_id, lesser)).toMatchObject({ code: 'permission_denied' });
    const elsewhere = { ...w.maria, accountId: 'account-00000000-0000-4000-8000-00000000000b' };
    expect(await w.take(approval_id, elsewhere)).toMatchObject({ code: 'approval_not_found' });
    expect(await w.take(approval_id)).toMatchObject({ tool: letIn.name });
  });

  it('is the one that opens something, also when the platform dies after the call and before the answer is sealed', async () => {
    const w = await world();
    const approval_id = approvalIn(await w.ask());
    w.secrets.diesBeforeAnswer = 1;
    await w.approve(approval_id);
    await w.after(600_000);
    const told = await w.take(approval_id);
    expect([...w.made]).toEqual([['laptop', sha256Hex(told['answer'].url)]]);
    const kinds = (await w.events()).map(({ type }) => type);
    expect(kinds.filter((kind) => kind === 'system.approval.completed')).toHaveLength(1);
  });

  it('is none where the call was refused or not made', async () => {
    const w = await world();
    w.made.set('taken', 'somebody else’s');
    const refused = approvalIn(await w.ask('taken'));
    const approved = await w.approve(refused);
    expect(approved['approval']).toMatchObject({ outcome: 'refused', answer: null });
    expect(await w.take(refused)).toMatchObject({ code: 'no_answer' });
    const rejected = approvalIn(await w.ask('rejected'));
    await w.call('reject_operation', { approval_id: rejected }, w.boris);
    expect(await w.take(rejected)).toMatchObject({ code: 'no_answer' });
  });
});
