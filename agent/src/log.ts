import { isoTime, type Clock, type Log } from '#kernel';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One JSON object per line. Callers never put secrets in fields. */
export const jsonLog = (write: (line: string) => void, clock: Clock, minimum: LogLevel, bound: object = {}): Log => {
  const rank = LOG_LEVELS.indexOf(minimum);
  const at =
    (level: LogLevel) =>
    (fields: object, message: string): void => {
      if (LOG_LEVELS.indexOf(level) < rank) return;
      write(`${JSON.stringify({ time: isoTime(clock.wallMs()), level, message, ...bound, ...fields })}\n`);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => jsonLog(write, clock, minimum, { ...bound, ...fields }),
  };
};
