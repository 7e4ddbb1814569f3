/** What somebody presses while something is drawn. */
export interface Keys {
  /** Whether there is a keyboard at all. */
  readonly there: boolean;
  /** q was pressed, whatever is waited for just then. */
  readonly quit: AbortSignal;
  /** The next key; one that was pressed meanwhile at once. Whoever asks again before there is one waits for the same. */
  next(): Promise<string>;
  /** The terminal is as it was. */
  stop(): void;
}

const never = new Promise<string>(() => undefined);

/** Of a raw terminal Ctrl-C is a byte like any other. */
const interruptSelf = (): void => void process.kill(process.pid, 'SIGINT');

export const keys = (stdin: NodeJS.ReadStream = process.stdin, interrupt = interruptSelf): Keys => {
  const quit = new AbortController();
  if (stdin.isTTY !== true) return { there: false, quit: quit.signal, next: () => never, stop: () => undefined };
  const pressed: string[] = [];
  let taken: ((key: string) => void) | undefined;
  let awaited: Promise<string> | undefined;
  const hear = (data: Buffer): void => {
    for (const key of data.toString()) {
      if (key === '\x03') interrupt();
      else if (key === 'q') quit.abort();
      else pressed.push(key);
    }
    const first = taken === undefined ? undefined : pressed.shift();
    if (first === undefined) return;
    taken!(first);
    [taken, awaited] = [undefined, undefined];
  };
  stdin.setRawMode(true);
  stdin.on('data', hear);
  return {
    there: true,
    quit: quit.signal,
    next: () => {
      const first = awaited === undefined ? pressed.shift() : undefined;
      if (first !== undefined) return Promise.resolve(first);
      return (awaited ??= new Promise((resolve) => (taken = resolve)));
    },
    stop: () => {
      stdin.off('data', hear);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
};
