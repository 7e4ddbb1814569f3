/** What went wrong, why, and what to try: the only way in which the CLI fails. */
export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    message: string,
    readonly why: string,
    readonly hint?: string,
    /** 1 refused, 2 used wrongly, 3 the platform can't be reached. */
    readonly exitCode: 1 | 2 | 3 = 1,
    /** The platform's own error, for --json. */
    readonly error?: unknown,
  ) {
    super(message);
  }
}
