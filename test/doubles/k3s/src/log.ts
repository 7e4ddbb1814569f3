/** Lines in logrus text format, as the real k3s prints them on stderr. */
const line = (level: string, message: string): void => {
  process.stderr.write(
    `time="${new Date().toISOString().replace(/\.\d+Z$/, 'Z')}" level=${level} msg=${JSON.stringify(message)}\n`,
  );
};

export const info = (message: string): void => line('info', message);
export const warn = (message: string): void => line('warning', message);
export const error = (message: string): void => line('error', message);

/** As logrus.Fatal: one line, exit code 1. */
export const fatal = (message: string): never => {
  line('fatal', message);
  process.exit(1);
};

export const messageOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message || cause.name : String(cause);

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
