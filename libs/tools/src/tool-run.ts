import { deterministicUuid, RefusedError, type Random } from '#kernel';
import type { Position } from '#event-store';
import type {
  Command,
  CommandContext,
  CommandDispatcher,
  CommandResult,
  Projection,
  ReadYourWrites,
} from '#processing';
import type { ToolCall } from './define-tool.js';

type Newable<P extends object, T> = new (payload: P, context: CommandContext) => Command<P, T>;

/** What a surface lets a running call know, and wants to know of it. */
export interface CallWatch {
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number | undefined, message: string) => void;
}

/** Of a caller who cannot hang up. */
export const NEVER = new AbortController().signal;

/** One call of a tool as its handler sees it: sends commands under derived ids and collects what they did. */
export class ToolRun implements ToolCall {
  private sent = 0;
  private last: Position | undefined;
  private isBehind = false;
  private readonly collected: string[] = [];

  constructor(
    readonly context: CommandContext,
    readonly permissions: ReadonlySet<string>,
    private readonly dispatcher: CommandDispatcher,
    private readonly readYourWrites: ReadYourWrites,
    private readonly watch: CallWatch = {},
    readonly guarded = false,
    readonly chance?: Pick<Random, 'bytes'>,
  ) {}

  get signal(): AbortSignal {
    return this.watch.signal ?? NEVER;
  }

  progress(done: number, total: number | undefined, message: string): void {
    this.watch.progress?.(done, total, message);
  }

  get accountId(): string {
    return this.context.accountId;
  }

  /** Position of the newest event written, or found on a repeat; undefined when nothing had to change. */
  get position(): Position | undefined {
    return this.last;
  }

  get warnings(): readonly string[] {
    return this.collected;
  }

  get behind(): boolean {
    return this.isBehind;
  }

  async run<P extends object, T>(type: Newable<P, T>, payload: P): Promise<T> {
    const result = await this.attempt(type, payload);
    if (result.kind === 'refused') throw new RefusedError(result.refusal);
    return result.value;
  }

  async attempt<P extends object, T>(type: Newable<P, T>, payload: P): Promise<CommandResult<T>> {
    const commandId = deterministicUuid('tool-command', this.context.commandId, this.sent++);
    const result = await this.dispatcher.dispatch(
      new type(payload, { ...this.context, commandId, causationId: this.context.commandId }),
    );
    if (result.kind === 'refused') return result;
    this.wrote(result.position);
    result.warnings?.forEach((warning) => this.warn(warning));
    return result;
  }

  async settle(...projections: readonly Pick<Projection, 'name'>[]): Promise<void> {
    if (this.last === undefined || projections.length === 0) return;
    const outcome = await this.readYourWrites.waitFor(
      this.last,
      projections.map((p) => p.name),
    );
    if (outcome === 'behind') this.isBehind = true;
  }

  wrote(position: Position | undefined): void {
    if (position !== undefined && (this.last === undefined || position > this.last)) this.last = position;
  }

  warn(warning: string): void {
    if (!this.collected.includes(warning)) this.collected.push(warning);
  }
}
