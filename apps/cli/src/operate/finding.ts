import { CliError } from '../errors.js';

export interface Finding {
  readonly check: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly evidence: string;
  /** The command that repairs it. */
  readonly repair?: string;
  /** What --fix does: harmless, and it changes nothing that runs. */
  readonly fix?: () => void | Promise<void>;
}

export const ok = (check: string, evidence: string): Finding => ({ check, verdict: 'ok', evidence });

export const failed = (check: string, error: unknown): Finding => {
  if (!(error instanceof CliError)) throw error;
  const evidence = `${error.message}: ${error.why}`;
  return { check, verdict: 'fail', evidence, ...(error.hint === undefined ? {} : { repair: error.hint }) };
};
