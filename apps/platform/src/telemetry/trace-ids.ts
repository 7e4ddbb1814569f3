import { createHash } from 'node:crypto';

/**
 * Ids that every process computes for itself from what the log has: a correlation id is a uuid, which is 128 bits as a trace
 * id is. So nothing has to travel with events, and spans made by several processes meet in one trace.
 */
export const traceIdOf = (correlationId: string): string => {
  const hex = correlationId.replaceAll('-', '').toLowerCase();
  return /^[0-9a-f]{32}$/.test(hex) && !/^0+$/.test(hex) ? hex : digest(32, 'trace', correlationId);
};

export const callSpanId = (correlationId: string): string => digest(16, 'call', correlationId);

/** An append is one command's on one stream. */
export const appendSpanId = (commandId: string, stream: string): string => digest(16, 'append', commandId, stream);

/** Of a span that nobody refers to by what the log has. */
export const stepSpanId = (...about: readonly string[]): string => digest(16, 'step', ...about);

const digest = (length: number, ...words: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, length);
