import type { z } from 'zod';
import type { Random } from '#kernel';
import type { Position } from '#event-store';
import type { Command, CommandClass, CommandContext, CommandResult, Projection } from '#processing';

/** What a call does to the world: `read` appends nothing, `change` can be undone, `destroy` cannot. */
export type Danger = 'read' | 'change' | 'destroy';

export type ToolGroup = 'templates' | 'nodes' | 'sdwan' | 'kubernetes' | 'docker' | 'events' | 'platform';

/**
 * One operator tool: the definition from which MCP, REST, CLI and documentation are made. Free of Nest and of the
 * platform's services, so that the CLI can load it quickly.
 */
export interface ToolDefinition<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  /** Listed without the `platform.` prefix; a call that carries it is accepted. */
  readonly name: string;
  readonly group: ToolGroup;
  /** One sentence, for lists. */
  readonly summary: string;
  /** What it does, units, what happens next. At most 600 characters. */
  readonly description: string;
  readonly input: I;
  /** The shape of `data`; mutating tools also answer outcome, position and correlation_id. */
  readonly output: O;
  readonly permission: string;
  readonly danger: Danger;
  /** Other spellings of arguments, alias → name. Accepted and reported as normalised. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly examples?: readonly { readonly title: string; readonly arguments: Readonly<Record<string, unknown>> }[];
  /** The CLI's noun and verb, e.g. ['node', 'create']. */
  readonly cli?: readonly [noun: string, verb: string];
  /** Moves or interrupts what runs now, though it can be undone (a drain, a failover): guarded tokens need a fresh plan for it. */
  readonly disruptive?: boolean;
  /** How humans decide over AI operators: guarded tokens may never call it, and no policy applies. */
  readonly humansOnly?: boolean;
  /** No policy applies: what a policy lets happen goes on with it. Guarded tokens may call it, unlike what is humansOnly. */
  readonly ungated?: boolean;
  /** The argument that names what is ended or moved; the first required one when not given. */
  readonly target?: string;
  /** For a change that goes on after its answer: where to look until it has ended. */
  readonly follow?: ToolFollow;
}

/** What a call began is followed by reading one thing until its state is one of these. Paths are dotted, into the answers. */
export interface ToolFollow {
  /** The reading tool, the argument that names the thing, and where the call's answer holds its id. */
  readonly tool: string;
  readonly argument: string;
  readonly id: string;
  /** Where the reading tool's answer holds the state. */
  readonly state: string;
  /** States on the way, in order; they make the progress. */
  readonly phases: readonly string[];
  readonly done: readonly string[];
  readonly failed: readonly string[];
  /** Where the reading tool's answer says why it failed. */
  readonly error?: string;
}

export const defineTool = <I extends z.ZodObject, O extends z.ZodObject>(tool: ToolDefinition<I, O>) => tool;

/** What a handler may do during one call. Everything is confined to the caller's account. */
export interface ToolCall {
  readonly accountId: string;
  readonly permissions: ReadonlySet<string>;
  /** Made with a token for AI operators. */
  readonly guarded: boolean;
  /**
   * Only of a call that a human approved: what is made of it is the same again when the call is made again after a crash, so that a
   * secret whose digest stands in an event is not lost. It is told to who asked, once.
   */
  readonly chance?: Pick<Random, 'bytes'>;
  /** The context of the call itself; commands get contexts derived from it. */
  readonly context: CommandContext;
  /**
   * Sends a command and answers its value. A refusal is thrown as RefusedError and becomes the call's answer. Positions
   * and warnings are collected into the answer. The n-th command of a call has a command id derived from the call's.
   */
  run<P extends object, T>(
    type: CommandClass<P, T> | (new (p: P, c: CommandContext) => Command<P, T>),
    payload: P,
  ): Promise<T>;
  /** As run, for a handler that wants to look at the refusal itself. */
  attempt<P extends object, T>(
    type: new (p: P, c: CommandContext) => Command<P, T>,
    payload: P,
  ): Promise<CommandResult<T>>;
  /** Waits (2 s at most) until these projections show what the call has written so far; otherwise the answer says `read_model: behind`. */
  settle(...projections: readonly Pick<Projection, 'name'>[]): Promise<void>;
  warn(warning: string): void;
  /** For a handler that writes without a command: what it wrote counts as this call's. */
  wrote(position: Position | undefined): void;
  /** Aborted when the caller is gone or has cancelled; what is written already stays. */
  readonly signal: AbortSignal;
  /** Tells a caller that asked for it how far a long call is. Never fails. */
  progress(done: number, total: number | undefined, message: string): void;
}

export type ToolHandler<I extends z.ZodObject, O extends z.ZodObject> = (
  input: z.output<I>,
  call: ToolCall,
) => Promise<z.input<O>>;

/** Where contexts register their tools at start-up. */
export interface ToolRegistrar {
  add<I extends z.ZodObject, O extends z.ZodObject>(tool: ToolDefinition<I, O>, handler: ToolHandler<I, O>): void;
}
export const TOOL_REGISTRAR = Symbol('ToolRegistrar');
