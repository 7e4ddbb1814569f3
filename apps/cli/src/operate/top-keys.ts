/** What somebody presses while something is drawn. */
export interface Keys {
  /** Whether there is a keyboard at all. */
  readonly there: boolean;
  /** The next key; one that was pressed meanwhile at once. Whoever asks again before there is one waits for the same. */
  next(): Promise<string>;
  /** The terminal is as it was. */
  stop(): void;
}

const never = new Promise<string>(() => undefined);

export const keys = (stdin: NodeJS.ReadStream = process.stdin): Keys => {
  if (stdin.isTTY !== true) return { there: false, next: () => never, stop: () => undefined };
  const pressed: string[] = [];
  let taken: ((key: string) => void) | undefined;
  let awaited: Promise<string> | undefined;
  const hear = (data: Buffer): void => {
    for (const key of data.toString()) pressed.push(key);
    const first = taken === undefined ? undefined : pressed.shift();
    if (first === undefined) return;
    taken!(first);
    [taken, awaited] = [undefined, undefined];
  };
  stdin.setRawMode(true);
  stdin.on('data', hear);
  return {
    there: true,
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
