import {
  canonicalJson,
  deterministicUuid,
  errorMessage,
  nearest,
  refusal,
  RefusedError,
  sha256Hex,
  type Clock,
  type Ids,
  type Log,
  type Refusal,
  failpoint,
} from '#kernel';
import { EventStoreUnavailableError } from '#event-store';
import type { CommandContext, CommandDispatcher, ReadYourWrites } from '#processing';
import { permits, type Principal } from '#access';
import type { z } from 'zod';
import type { CursorCodec } from './cursor.js';
import type { ToolDefinition, ToolHandler, ToolRegistrar } from './define-tool.js';
import type { IdempotencyLedger } from './idempotency.js';
import { argumentsInShort } from './arguments-in-short.js';
import { inputRefusal, normaliseAliases, unknownParameter } from './input-rules.js';
import { ToolRun } from './tool-run.js';
import { inputSchema, toolListing, type ToolListing } from './tool-schema.js';

export interface ToolRequest {
  readonly name: string;
  readonly arguments: unknown;
  readonly principal: Principal;
}

/** `failed` is a bug or an outage, never the caller's fault; what happened is in the log under the correlation id. */
export type ToolAnswer =
  | { readonly kind: 'ok'; readonly data: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'failed'; readonly correlationId: string };

export interface ToolRegistryPorts {
  readonly dispatcher: CommandDispatcher;
  readonly readYourWrites: ReadYourWrites;
  readonly ledger: IdempotencyLedger;
  readonly cursors: CursorCodec;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  readonly ids: Ids;
  readonly log: Log;
  /** A handler whose answer breaks its own schema: `throw` in tests, `log` where an operator waits for the answer. */
  readonly onBadOutput: 'throw' | 'log';
  readonly observe?: (tool: string, outcome: ToolAnswer['kind'], durationMs: number) => void;
}

interface Entry {
  readonly tool: ToolDefinition;
  readonly input: z.ZodObject;
  readonly handler: (input: unknown, call: ToolRun) => Promise<Record<string, unknown>>;
  listing?: ToolListing;
}

/** Every operator tool, once: the surfaces (MCP, REST, CLI) only carry requests here and answers back. */
export class ToolRegistry implements ToolRegistrar {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly ports: ToolRegistryPorts) {}

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
    const entry = this.entry(name.replace(/^platform\./, ''));
    requirePermission(entry.tool, { permissions });
    return (entry.listing ??= toolListing(entry.tool));
  }

  async call(request: ToolRequest): Promise<ToolAnswer> {
    const started = this.ports.clock.monotonicMs();
    const name = request.name.replace(/^platform\./, '');
    const answer = await this.answer(name, request);
    const known = this.entries.has(name) ? name : 'unknown';
    this.ports.observe?.(known, answer.kind, this.ports.clock.monotonicMs() - started);
    return answer;
  }

  private async answer(name: string, request: ToolRequest): Promise<ToolAnswer> {
    let correlationId = '';
    try {
      const entry = this.entry(name);
      requirePermission(entry.tool, request.principal);
      const { input, normalised, key } = this.readInput(entry, request.arguments);
      const context = await this.context(entry.tool, request.principal, input, key);
      correlationId = context.correlationId;
      const run = new ToolRun(context, request.principal.permissions, this.ports.dispatcher, this.ports.readYourWrites);
      const data = this.checkOutput(entry.tool, await entry.handler(input, run));
      if (entry.tool.danger !== 'read') await failpoint('tool.handled');
      return { kind: 'ok', data: { ...data, ...this.about(entry.tool, run, normalised) } };
    } catch (error) {
      return this.failure(name, error, correlationId);
    }
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

  private readInput(entry: Entry, given: unknown) {
    const raw = given ?? {};
    if (typeof raw !== 'object' || Array.isArray(raw)) {
      throw new RefusedError(refusal(400, 'invalid_arguments', 'arguments must be a JSON object'));
    }
    const aliases = entry.tool.aliases ?? {};
    const known = new Set(Object.keys(entry.input.shape));
    const { named, normalised } = normaliseAliases(raw as Record<string, unknown>, aliases, known);
    const unknown = unknownParameter(entry.input, named, aliases);
    if (unknown !== undefined) throw new RefusedError(unknown);
    const parsed = entry.input.safeParse(named);
    if (!parsed.success) throw new RefusedError(inputRefusal(parsed.error, named));
    const { idempotency_key: key, ...input } = parsed.data as Record<string, unknown> & { idempotency_key?: string };
    return { input, normalised, key };
  }

  private async context(
    tool: ToolDefinition,
    principal: Principal,
    input: Record<string, unknown>,
    key: string | undefined,
  ): Promise<CommandContext> {
    const callId =
      key === undefined ? this.ports.ids.uuid() : deterministicUuid('tool-call', principal.accountId, tool.name, key);
    if (key !== undefined && tool.danger !== 'read') {
      const claimed = await this.ports.ledger.claim(callId, sha256Hex(canonicalJson(input)));
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

  private about(tool: ToolDefinition, run: ToolRun, normalised: Record<string, string>): Record<string, unknown> {
    const change =
      tool.danger === 'read'
        ? {}
        : {
            outcome: run.position === undefined ? 'nothing' : 'done',
            ...(run.position === undefined ? {} : { position: this.ports.cursors.encode(run.accountId, run.position) }),
            correlation_id: run.context.correlationId,
            ...(run.behind ? { read_model: 'behind' } : {}),
          };
    return {
      ...change,
      ...(run.warnings.length === 0 ? {} : { warnings: run.warnings }),
      ...(Object.keys(normalised).length === 0 ? {} : { normalised }),
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

const requirePermission = (tool: ToolDefinition, principal: Pick<Principal, 'permissions'>): void => {
  if (permits(principal.permissions, tool.permission)) return;
  throw new RefusedError(
    refusal(403, 'permission_denied', `${tool.name} needs the permission ${tool.permission}`, {
      hint: `ask for a token with ${tool.permission}`,
      candidates: [{ id: tool.permission }],
    }),
  );
};
