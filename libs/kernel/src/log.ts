/** Structured logging as a port. Fields must never hold secrets; pino redaction is a second line only. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Log;
}

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** The message of anything thrown, for logs and refusals. */
export const errorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error));
