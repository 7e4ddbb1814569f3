import type { ICommand } from '@nestjs/cqrs';
import type { Refusal } from '#kernel';
import type { Actor, Position, ToolOrigin } from '#event-store';

/** Who asks, on whose behalf, and under which idempotency key. Travels with every command. */
export interface CommandContext {
  /** Same id, same events: the idempotency key. */
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly accountId: string;
  readonly actor: Actor;
  /** Wall time of the command, milliseconds since the epoch. */
  readonly nowMs: number;
  /** Set for commands of a tool call. */
  readonly via?: ToolOrigin;
}

export type CommandResult<T = unknown> =
  | {
      readonly kind: 'done';
      /** What the caller needs to know at once, beyond what the read models will show. */
      readonly value: T;
      /** Position of the last event appended or, on a repeat, found; undefined when nothing had to change. */
      readonly position?: Position;
      readonly warnings?: readonly string[];
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * A command for Nest's CommandBus. Subclasses give `static readonly type = 'fleet.drain_instance'`; payloads are plain
 * JSON, because process managers store the commands they send.
 */
export abstract class Command<P extends object, T = unknown> implements ICommand {
  declare readonly result: CommandResult<T>;
  constructor(
    readonly payload: P,
    readonly context: CommandContext,
  ) {}
}

export interface CommandClass<P extends object = object, T = unknown> {
  readonly type: string;
  new (payload: P, context: CommandContext): Command<P, T>;
}

/** Sends a command to its handler: Nest's CommandBus in the platform, a plain function in pure tests. */
export interface CommandDispatcher {
  dispatch<P extends object, T>(command: Command<P, T>): Promise<CommandResult<T>>;
}
export const COMMAND_DISPATCHER = Symbol('CommandDispatcher');
