import { CliError } from './errors.js';
import { troubleOf } from './files.js';

interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly candidates?: readonly { readonly id: string; readonly name?: string }[];
  readonly correlation_id?: string;
}

/** Of the platform where it refused, else of this program. */
const toldOf = ({ error, message, why, hint, meant }: CliError): Told => {
  if (error !== undefined) return error as Told;
  const candidates = meant === undefined ? {} : { candidates: [{ id: meant }] };
  return { code: 'cli_error', message: `${message}: ${why}`, hint, ...candidates };
};

/**
 * The platform is not there, or cannot work now, or is asked too often: the same again may well succeed. Whatever else goes wrong stays wrong until
 * something else is changed.
 */
const isRetryable = ({ exitCode }: CliError): boolean => exitCode === 3;

/** An error as people read it, or programs. The id is what the platform's log has the call under. */
export const failure = (error: CliError, json: boolean): string => {
  const told = toldOf(error);
  if (json) return JSON.stringify({ success: false, error: { ...told, retryable: isRetryable(error) } });
  const lines = [`error:   ${error.message}`, `  why:   ${error.why}`];
  if (error.hint !== undefined) lines.push(`  try:   ${error.hint}`);
  if (error.meant !== undefined) lines.push(`  did you mean: ${error.meant}`);
  if (told.correlation_id !== undefined) lines.push(`  correlation id: ${told.correlation_id}`);
  return lines.join('\n');
};

/** What nobody foresaw: said like everything else, with the place in the program only for who looks for it. */
export const asCliError = (error: unknown, debug: boolean): CliError => {
  const { path, syscall } = error as { readonly path?: unknown; readonly syscall?: unknown };
  if (typeof path === 'string' && typeof syscall === 'string')
    return new CliError(`${path} cannot be used (${syscall})`, troubleOf(error), undefined, 1);
  const why = debug && error instanceof Error ? (error.stack ?? error.message) : troubleOf(error);
  const hint = 'DROVER_DEBUG=1 shows where; drover support collects what helps whoever looks into it';
  return new CliError('drover itself failed', why, hint, 1);
};
