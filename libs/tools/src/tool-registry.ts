import {
  canonicalJson,
  deterministicUuid,
  errorMessage,
  failpoint,
  nearest,
  refusal,
  RefusedError,
  sha256Hex,
} from '#kernel';
import { EventStoreUnavailableError } from '#event-store';
import type { CommandContext } from '#processing';
import { permits, type Principal } from '#access';
import type { z } from 'zod';
import { argumentsInShort } from './arguments-in-short.js';
import type { ToolDefinition, ToolHandler, ToolRegistrar } from './define-tool.js';
import { climb, needsPlan, requirePermission } from './guard.js';
import { operationOf } from './operations/operation-id.js';
import { spendPlan, type PlanAbout } from './plan.js';
import { pendingWarnings } from './approvals/answer.js';
import { approvedCall } from './approvals/call-chance.js';
import type { ApprovalGate } from './approvals/gate.js';
import { isUnderPolicies } from './approvals/policy.js';
import type { ToolAnswer, ToolRegistryPorts, ToolRequest } from './tool-call.js';
import { readInput, type ReadInput } from './tool-input.js';
import { previewAnswer, type ToolPreviews } from './tool-preview.js';
import { NEVER, ToolRun } from './tool-run.js';
import { inputSchema, toolListing, type ToolListing } from './tool-schema.js';
import { whileTokenOpens } from './while-token-opens.js';

interface Entry {
  readonly tool: ToolDefinition;
  readonly input: z.ZodObject;
  readonly handler: (input: unknown, call: ToolRun) => Promise<Record<string, unknown>>;
  listing?: ToolListing;
}

/** Every operator tool, once: the surfaces (MCP, REST, CLI) only carry requests here and answers back. */
export class ToolRegistry implements ToolRegistrar {
  private readonly entries = new Map<string, Entry>();
  private previews: ToolPreviews | undefined;
  private gate: ApprovalGate | undefined;

  constructor(private readonly ports: ToolRegistryPorts) {}

  /** What answers dry runs; it needs the contexts, which need this registry. */
  usePreviews(previews: ToolPreviews): void {
    this.previews = previews;
  }

  /** What decides which calls wait for a human. */
  useGate(gate: ApprovalGate): void {
    this.gate = gate;
  }

  add<I extends z.ZodObject, O extends z.ZodObject>(tool: ToolDefinition<I, O>, handler: ToolHandler<I, O>): void {
    if (this.entries.has(tool.name)) throw new Error(`tool defined twice: ${tool.name}`);
    const definition = tool as unknown as ToolDefinition;
    for (const [alias, name] of Object.entries(tool.aliases ?? {})) {
      if (!(name in tool.input.shape)) throw new Error(`${tool.name}: alias ${alias} names no parameter: ${name}`);
    }
    this.entries.set(tool.name, {
      tool: definition,
      input: inputSchema(definition),
      handler: handler as unknown as Entry['handler'],
    });
  }

  /** The tools that these permissions may call, by name. */
  list(permissions: ReadonlySet<string>): ToolListing[] {
    return [...this.entries.values()]
      .filter((entry) => permits(permissions, entry.tool.permission))
      .map((entry) => (entry.listing ??= toolListing(entry.tool)))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** One tool as the caller may use it. Throws RefusedError: 404 with the nearest name, or 403. */
  describe(name: string, permissions: ReadonlySet<string>): ToolListing {
    const entry = this.entry(bare(name));
    requirePermission(entry.tool, { permissions });
    return (entry.listing ??= toolListing(entry.tool));
  }

  /** The definition itself; undefined when there is none of this name. */
  definition(name: string): ToolDefinition | undefined {
    return this.entries.get(bare(name))?.tool;
  }

  /** Names of the tools that a policy may be about. */
  changingTools(): string[] {
    const all = [...this.entries.values()].map(({ tool }) => tool);
    return all.filter(isUnderPolicies).map(({ name }) => name);
  }

  async call(request: ToolRequest): Promise<ToolAnswer> {
    const started = this.ports.clock.monotonicMs();
    const name = bare(request.name);
    const call = { correlationId: '' };
    const answer = await this.answer(name, request, call);
    const known = this.entries.has(name) ? name : 'unknown';
    this.ports.observe?.(known, answer.kind, this.ports.clock.monotonicMs() - started, call.correlationId);
    return answer;
  }

  private async answer(name: string, request: ToolRequest, call: Correlated): Promise<ToolAnswer> {
    try {
      const entry = this.entry(name);
      requirePermission(entry.tool, request.principal);
      const read = readInput(entry.tool, entry.input, request.arguments);
      return entry.tool.danger === 'read'
        ? await whileTokenOpens(this.ports.tokenEnds, request, (open) => this.perform(entry, open, read, call))
        : await this.change(entry, request, read, call);
    } catch (error) {
      return this.failure(name, error, call.correlationId);
    }
  }

  /** A change is planned, or has to pass the guard and the gate before it is made. */
  private async change(entry: Entry, request: ToolRequest, read: ReadInput, call: Correlated): Promise<ToolAnswer> {
    const { tool } = entry;
    const { principal, approvalId } = request;
    if (read.dryRun) return this.dryRun(entry, request, read, call);
    if (approvalId !== undefined) {
      return this.perform(entry, request, read, call, this.contextOf(tool, principal, read, approvedCall(approvalId)));
    }
    const rule = await this.gate?.rule(tool, principal);
    const plan = this.checkPlan(tool, principal, read);
    const approvalFollows = rule === 'require_approval';
    const verdict = climb({ tool, input: read.input, principal, plan, consent: request.consent, approvalFollows });
    if (verdict.kind === 'ask') return { kind: 'consent', ask: verdict.ask };
    const context = await this.context(tool, principal, read);
    call.correlationId = context.correlationId;
    if (principal.guarded && plan === 'fresh') await spendPlan(this.ports.ledger, read.planId!, context.commandId);
    if (this.gate === undefined || rule === undefined || rule === 'allow') {
      return this.perform(entry, request, read, call, context);
    }
    const asked = { tool, input: read.input, principal, context };
    if (rule === 'notify') {
      const answer = await this.perform(entry, request, read, call, context);
      await this.gate.notify(asked, answer.kind);
      return answer;
    }
    const { approvalId: id, position } = await this.gate.request(asked);
    return {
      kind: 'ok',
      data: {
        outcome: 'pending',
        pending: true,
        approval_id: id,
        position: this.ports.cursors.encode(principal.accountId, position),
        correlation_id: context.correlationId,
        warnings: pendingWarnings(id, principal.permissions),
        ...normalisedOf(read),
      },
    };
  }

  private async perform(
    entry: Entry,
    { principal, watch, chance }: ToolRequest,
    read: ReadInput,
    call: Correlated,
    given?: CommandContext,
  ): Promise<ToolAnswer> {
    const { tool } = entry;
    const context = given ?? (await this.context(tool, principal, read));
    call.correlationId = context.correlationId;
    const { dispatcher, readYourWrites } = this.ports;
    const isGuarded = principal.guarded === true;
    const run = new ToolRun(context, principal.permissions, dispatcher, readYourWrites, watch, isGuarded, chance);
    const data = this.checkOutput(tool, await entry.handler(read.input, run));
    if (tool.danger !== 'read') await failpoint('tool.handled');
    return { kind: 'ok', data: { ...data, ...this.about(tool, run, data), ...normalisedOf(read) } };
  }

  /** Tools that have a dry run of their own say more than a fork can (why a candidate is none); both are answered. */
  private async dryRun(entry: Entry, request: ToolRequest, read: ReadInput, call: Correlated): Promise<ToolAnswer> {
    const { plans, clock, ids } = this.ports;
    const { tool } = entry;
    const { principal } = request;
    const ownInput = { ...read.input, dry_run: true };
    const own =
      'dry_run' in tool.input.shape
        ? await this.perform(entry, request, { ...read, input: ownInput, key: undefined }, call)
        : undefined;
    if (own !== undefined && (own.kind !== 'ok' || this.previews === undefined)) return own;
    if (this.previews === undefined || plans === undefined) {
      throw new RefusedError(refusal(422, 'no_dry_run', 'nothing can be tried out here', { field: 'dry_run' }));
    }
    const { accountId, operatorId, permissions } = principal;
    const signal = request.watch?.signal ?? NEVER;
    const asked = { tool: tool.name, arguments: read.input, accountId, operatorId, permissions, signal };
    const preview = await this.previews.preview(asked);
    const plan = plans.issue(planAbout(tool, principal, read), clock.wallMs());
    const about = { correlation_id: ids.uuid(), ...normalisedOf(read) };
    return previewAnswer(preview, plan, about, own?.kind === 'ok' ? own.data : undefined);
  }

  private checkPlan(tool: ToolDefinition, principal: Principal, read: ReadInput) {
    if (!needsPlan(tool) || read.planId === undefined || this.ports.plans === undefined) return 'none';
    return this.ports.plans.check(planAbout(tool, principal, read), read.planId, this.ports.clock.wallMs());
  }

  private entry(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry !== undefined) return entry;
    const near = nearest(name, this.entries.keys());
    throw new RefusedError(
      refusal(404, 'unknown_tool', `there is no tool ${JSON.stringify(name.slice(0, 100))}`, {
        field: 'name',
        hint: near === undefined ? 'tools/list names them all' : `did you mean ${near}?`,
        ...(near === undefined ? {} : { candidates: [{ id: near }] }),
      }),
    );
  }

  private async context(tool: ToolDefinition, principal: Principal, read: ReadInput): Promise<CommandContext> {
    const { input, key } = read;
    const callId =
      key === undefined ? this.ports.ids.uuid() : deterministicUuid('tool-call', principal.accountId, tool.name, key);
    if (key !== undefined && tool.danger !== 'read') {
      const claimed = await this.ports.ledger.claim(callId, argumentsDigest(input));
      await failpoint('tool.claimed');
      if (claimed === 'different') {
        throw new RefusedError(
          refusal(409, 'idempotency_key_reused', 'this idempotency_key was used with other arguments', {
            field: 'idempotency_key',
            hint: 'repeat the call with the first arguments, or use a new key',
          }),
        );
      }
    }
    return this.contextOf(tool, principal, read, callId);
  }

  private contextOf(tool: ToolDefinition, principal: Principal, { input }: ReadInput, callId: string): CommandContext {
    return {
      commandId: callId,
      correlationId: callId,
      causationId: callId,
      accountId: principal.accountId,
      actor: { kind: 'operator', id: principal.operatorId },
      nowMs: this.ports.clock.wallMs(),
      via: { tool: tool.name, arguments: argumentsInShort(input) },
    };
  }

  private checkOutput(tool: ToolDefinition, data: Record<string, unknown>): Record<string, unknown> {
    const parsed = tool.output.safeParse(data);
    if (parsed.success) return parsed.data;
    const problems = parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ');
    if (this.ports.onBadOutput === 'throw') throw new Error(`${tool.name} answered outside its schema: ${problems}`);
    this.ports.log.error({ tool: tool.name, problems }, 'tool answered outside its own schema');
    return data;
  }

  private about(tool: ToolDefinition, run: ToolRun, data: Record<string, unknown>): Record<string, unknown> {
    const warnings = run.warnings.length === 0 ? {} : { warnings: run.warnings };
    if (tool.danger === 'read') return warnings;
    const operation = operationOf(tool, data, run.context.correlationId);
    return {
      outcome: run.position === undefined ? 'nothing' : 'done',
      ...(run.position === undefined ? {} : { position: this.ports.cursors.encode(run.accountId, run.position) }),
      correlation_id: run.context.correlationId,
      ...(run.behind ? { read_model: 'behind' } : {}),
      ...(operation === undefined ? {} : { operation }),
      ...warnings,
    };
  }

  private failure(name: string, error: unknown, correlationId: string): ToolAnswer {
    if (error instanceof RefusedError) return { kind: 'refused', refusal: error.refusal };
    const id = correlationId === '' ? this.ports.ids.uuid() : correlationId;
    const stack = error instanceof Error ? error.stack : undefined;
    this.ports.log.error({ tool: name, correlationId: id, error: errorMessage(error), stack }, 'tool call failed');
    if (error instanceof EventStoreUnavailableError) {
      const hint = 'repeat the call under the same idempotency_key';
      return { kind: 'refused', refusal: refusal(503, 'event_store_unavailable', 'the event store is away', { hint }) };
    }
    return { kind: 'failed', correlationId: id };
  }
}

/** Known as soon as the call has an id, so that a failure can name it. */
interface Correlated {
  correlationId: string;
}

const bare = (name: string): string => name.replace(/^platform\./, '');

export const argumentsDigest = (input: Readonly<Record<string, unknown>>): string => sha256Hex(canonicalJson(input));

const planAbout = (tool: ToolDefinition, principal: Principal, read: ReadInput): PlanAbout => ({
  accountId: principal.accountId,
  operatorId: principal.operatorId,
  tool: tool.name,
  argumentsDigest: argumentsDigest(read.input),
});

const normalisedOf = ({ normalised }: ReadInput) => (Object.keys(normalised).length === 0 ? {} : { normalised });
