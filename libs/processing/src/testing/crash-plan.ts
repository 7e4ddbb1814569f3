/** Thrown by every port of a process that has crashed. */
export class Crashed extends Error {
  override readonly name = 'Crashed';
}

/**
 * Kills one incarnation of a host at its nth call to the outside: before the call has its effect, or after it had it but
 * before anybody learnt of it. From then on nothing that the incarnation still tries reaches anything.
 */
export class CrashPlan {
  private calls = 0;
  private dead = false;
  /** Which call it was, for messages. */
  crashedAt: string | undefined;

  constructor(
    private readonly nth: number,
    private readonly when: 'before' | 'after',
  ) {}

  get crashed(): boolean {
    return this.dead;
  }

  /** The same port, through the plan: only the named methods count as crash points, all fail once it is dead. */
  wrap<T extends object>(port: T, ...methods: readonly (keyof T & string)[]): T {
    return new Proxy(port, {
      get: (target, property) => {
        const value = Reflect.get(target, property, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => {
          if (this.dead) throw new Crashed(`${String(property)} after the crash`);
          return methods.includes(property as keyof T & string)
            ? this.counted(String(property), call, args)
            : call(...args);
        };
      },
    });
  }

  private async counted(name: string, call: (...args: unknown[]) => unknown, args: unknown[]): Promise<unknown> {
    const mine = ++this.calls === this.nth;
    if (mine && this.when === 'before') this.die(name);
    const result = await call(...args);
    if (mine) this.die(name);
    if (this.dead) throw new Crashed(`${name} answered after the crash`);
    return result;
  }

  private die(name: string): never {
    this.dead = true;
    this.crashedAt = name;
    throw new Crashed(name);
  }
}
