import { createHash, randomBytes } from 'node:crypto';
import { postPublic } from '../client.js';
import { CliError, refusedAs } from '../errors.js';
import { pause } from '../pause.js';
import { pageAt, type LoggedIn } from './login.js';

export interface OnDevice {
  readonly url: string;
  readonly progress: (text: string) => void;
}

interface Started {
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete?: string;
  readonly login: string;
  readonly interval: number;
  readonly expires_at: string;
}

/** Ctrl-C ends the program itself. */
const NEVER = new AbortController().signal;

/** A platform that is busy or away for a moment is asked again: the login is not used up. */
const mayPass = (error: unknown): boolean =>
  (error instanceof CliError && error.exitCode === 3) || refusedAs(error) === 'too_many_attempts';

const seconds = (value: unknown): number => Math.min(60, Math.max(1, Number(value) || 5));

/** Whoever is told to slow down does so each time, and for good (RFC 8628, 3.5). */
export const nextInterval = (interval: number, answer: Readonly<Record<string, unknown>>): number =>
  answer['slow_down'] === true ? interval + 5 : Math.max(interval, seconds(answer['interval']));

/** Somebody reads it in a terminal. */
const codeIn = (text: unknown): string => {
  if (typeof text === 'string' && /^[\x21-\x7e]{1,40}$/.test(text)) return text;
  throw new CliError('the platform gave no code to enter', 'it answers otherwise than Drover', 'check --url', 3);
};

/** For a machine without a browser (RFC 8628): shows a code to enter on another one, and asks until somebody has. */
export const deviceLogin = async ({ url, progress }: OnDevice): Promise<LoggedIn> => {
  const code_verifier = randomBytes(32).toString('base64url');
  const code_challenge = createHash('sha256').update(code_verifier).digest('base64url');
  const started = (await postPublic(url, 'login/oidc/device/start', { code_challenge })) as unknown as Started;
  const { login, verification_uri_complete: whole } = started;
  progress(`Open this address on any machine:\n\n  ${pageAt(started.verification_uri)}\n`);
  progress(`and enter the code ${codeIn(started.user_code)}`);
  if (whole !== undefined) progress(`(or open ${pageAt(whole)}, which has the code in it)`);
  const untilMs = Date.parse(started.expires_at);
  for (let interval = seconds(started.interval); ;) {
    await pause(interval * 1_000, NEVER);
    try {
      const answer = await postPublic(url, 'login/oidc/device/finish', { login, code_verifier });
      if (answer.status === 'done') return answer as unknown as LoggedIn;
      interval = nextInterval(interval, answer);
    } catch (error) {
      if (!mayPass(error) || performance.timeOrigin + performance.now() >= untilMs) throw error;
    }
  }
};
