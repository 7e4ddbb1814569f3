import { Inject, type Type } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Decider, DomainEvent } from '#kernel';
import type { Position } from '#event-store';
import type { Command, CommandClass, CommandContext, CommandResult, Transacted } from '#processing';
import { FLEET_SERVICES, type FleetServices } from './services.js';

/** A command and the function that carries it out. */
export interface Use<P extends object = object, T = unknown> {
  readonly command: CommandClass<P, T>;
  run(services: FleetServices, payload: P, context: CommandContext): Promise<CommandResult<T>>;
}

/** Typed where it is written; in a list of all commands only the class still says what its payload is. */
export const use = <P extends object, T>(command: CommandClass<P, T>, run: Use<P, T>['run']): Use =>
  ({ command, run }) as unknown as Use;

/** The Nest command handler of a use. */
export const handlerFor = ({ command, run }: Use): Type<ICommandHandler> => {
  class Handler implements ICommandHandler<Command<object, unknown>> {
    constructor(@Inject(FLEET_SERVICES) private readonly services: FleetServices) {}
    execute({ payload, context }: Command<object, unknown>): Promise<CommandResult<unknown>> {
      return run(this.services, payload, context);
    }
  }
  Object.defineProperty(Handler, 'name', { value: `${(command as unknown as { name: string }).name}Handler` });
  CommandHandler(command)(Handler);
  return Handler;
};

export const done = <T>(value: T, position?: Position): CommandResult<T> => ({
  kind: 'done',
  value,
  ...(position === undefined ? {} : { position }),
});

/** Where a transaction left its mark: of its events now, or of those that an earlier try of the same command appended. */
export const markOf = (t: Transacted<unknown, DomainEvent>): Position | undefined => {
  if (t.kind === 'accepted') return t.position;
  return t.kind === 'nothing' && t.reason === 'already_done' ? t.position : undefined;
};

export const resultOf = <S, E extends DomainEvent, T>(t: Transacted<S, E>, value: (state: S) => T): CommandResult<T> =>
  t.kind === 'refused' ? t : done(value(t.state), markOf(t));

/** The later of two marks. */
export const latest = (a: Position | undefined, b: Position | undefined): Position | undefined =>
  a === undefined || (b !== undefined && b > a) ? b : a;

/** A command that is one decision on one stream. */
export const decision = <P extends object, S, C, E extends DomainEvent>(
  command: CommandClass<P, void>,
  decider: Decider<S, C, E>,
  stream: (payload: P) => string,
  toCommand: (payload: P, context: CommandContext) => C,
): Use =>
  use(command, async ({ transactor }, payload, context) =>
    resultOf(
      await transactor.transact(stream(payload), decider, toCommand(payload, context), context),
      () => undefined,
    ),
  );
