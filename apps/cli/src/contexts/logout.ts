import { CliError, refusedAs } from '../errors.js';
import type { GlobalFlags } from '../settings.js';
import { findContext, readContexts, writeContexts } from './file.js';

export interface Leaving {
  readonly flags: GlobalFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  /** Ends the token on the platform, or throws. */
  readonly end: (url: string, token: string) => Promise<unknown>;
}

/** How the platform took it. */
type Ended = 'ended' | 'over_already' | 'kept_there';

/** A token that opens nothing any more is over as well; one without an end is the platform's first, which nobody ends by leaving. */
const endAt = async ({ end }: Leaving, url: string, token: string): Promise<Ended> => {
  try {
    await end(url, token);
    return 'ended';
  } catch (error) {
    const code = refusedAs(error);
    if (code === 'invalid_token') return 'over_already';
    if (code === 'token_has_no_end') return 'kept_there';
    throw error;
  }
};

const TOLD: Readonly<Record<Ended, string>> = {
  ended: 'logged out: its token opens nothing any more',
  over_already: 'logged out: its token had ended already',
  kept_there:
    'its token is forgotten here, and goes on there: it is one without an end, which somebody else may use (drover token revoke)',
};

/** The platform first: what it did not hear of stays here, so that it can be said again. */
const logOut = async (command: Leaving, name: string): Promise<void> => {
  const { env, out } = command;
  const { url, token } = findContext(env, name)!;
  if (token === undefined) return out(`${name}: there is no token`);
  const ended = await endAt(command, url, token);
  const now = readContexts(env);
  const left = Object.entries(now.contexts[name]!).filter(([field]) => field !== 'token');
  const without = Object.fromEntries(left) as { url: string };
  writeContexts(env, { ...now, contexts: { ...now.contexts, [name]: without } });
  out(`${name}: ${TOLD[ended]}`);
};

/** `drover logout [NAME]` and `drover logout --all`; answers the exit code. */
export const runLogout = async (command: Leaving, words: readonly string[]): Promise<number> => {
  const { env, flags } = command;
  const all = words.includes('--all');
  const names = words.filter((word) => word !== '--all');
  const asked = names[0] ?? flags.context ?? (env.DROVER_CONTEXT || undefined);
  const odd = names.find((word) => word.startsWith('-'));
  if (odd !== undefined || names.length > 1 || (all && asked !== undefined))
    throw new CliError(
      `drover logout ${words.join(' ')}`,
      'it takes the name of one context, or --all',
      'drover context --help',
      2,
    );
  if (!all) {
    const one = findContext(env, asked);
    if (one === undefined) throw new CliError('nobody is logged in', 'no context is current', 'drover context list', 2);
    await logOut(command, one.name);
    return 0;
  }
  let failed = 0;
  for (const name of Object.keys(readContexts(env).contexts)) {
    try {
      await logOut(command, name);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      failed = error.exitCode;
      command.out(
        `${name}: not logged out: ${error.message}; its token stays here (drover context remove ${name} forgets it)`,
      );
    }
  }
  return failed;
};
