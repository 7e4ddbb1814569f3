import type { Command, CommandDispatcher, CommandResult } from '#processing';

/**
 * The processing host and the gateway exist before Nest and send commands to handlers that Nest makes; this is the one knot in
 * the wiring, tied before anything runs.
 */
export class LateDispatcher implements CommandDispatcher {
  private target: CommandDispatcher | undefined;

  bind(target: CommandDispatcher): void {
    this.target = target;
  }

  async dispatch<P extends object, T>(command: Command<P, T>): Promise<CommandResult<T>> {
    if (this.target === undefined) throw new Error('a command was sent before the platform was wired');
    return this.target.dispatch(command);
  }
}

export class Late<T> {
  private value: T | undefined;

  constructor(private readonly name: string) {}

  bind(value: T): void {
    this.value = value;
  }

  readonly get = (): T => {
    if (this.value === undefined) throw new Error(`${this.name} was used before the platform was wired`);
    return this.value;
  };
}
