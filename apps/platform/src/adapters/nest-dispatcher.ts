import { Inject, Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { Command, CommandDispatcher, CommandResult } from '#processing';

/** Commands go to their @CommandHandler over Nest's bus; it only dispatches, nothing durable rests on it. */
@Injectable()
export class NestCommandDispatcher implements CommandDispatcher {
  constructor(@Inject(CommandBus) private readonly bus: CommandBus) {}

  dispatch<P extends object, T>(command: Command<P, T>): Promise<CommandResult<T>> {
    return this.bus.execute<Command<P, T>, CommandResult<T>>(command);
  }
}
