/** What the exit code says; `drover help exit-codes` and docs/reference/cli.md show these words. */
export const EXIT_CODES = {
  0: 'done; also an empty list',
  1: 'failed, or refused by a rule of the platform; diff: there are differences',
  2: 'used wrongly: unknown command, option or value, or a file that says something impossible',
  3: 'the platform cannot be reached, or answers that it cannot work now',
  4: 'no token, a token that is not valid, or one that may not do this',
  5: 'there is no such thing',
  6: 'conflict: a name that is taken or that several things bear, or something changed meanwhile',
  7: 'not in time: wait gave up at --timeout',
  8: 'wait and --wait: it has ended in a state from which it cannot get where it should',
  9: 'in part: apply did some of it, and says what; the same command goes on',
  130: 'interrupted',
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

/** What a platform's refusal means for a script. */
export const exitCodeOf = (status: number): ExitCode => {
  if (status === 400) return 2;
  if (status === 401 || status === 403) return 4;
  if (status === 404) return 5;
  if (status === 409) return 6;
  return status === 429 || (status >= 502 && status <= 504) ? 3 : 1;
};

/** What went wrong, why, and what to try: the only way in which the CLI fails. */
export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    message: string,
    readonly why: string,
    readonly hint?: string,
    readonly exitCode: ExitCode = 1,
    /** The platform's own error, for --json. */
    readonly error?: unknown,
    /** The nearest thing that there is. */
    readonly meant?: string,
  ) {
    super(message);
  }
}

/** What the platform calls its refusal; undefined for what is none. */
export const refusedAs = (error: unknown): string | undefined => {
  const refused = error instanceof CliError ? error.error : undefined;
  return typeof refused === 'object' && refused !== null && 'code' in refused ? String(refused.code) : undefined;
};

const LOG_IN = 'drover login; or DROVER_TOKEN, DROVER_TOKEN_FILE or --token-file with a token that is good';

/** The platform tells whoever brings no good token of HTTP headers, which nobody at a shell sends. */
export const tokenHint = (code: string, hint: string | undefined): string | undefined =>
  code === 'invalid_token' || code === 'missing_token' ? LOG_IN : hint;
