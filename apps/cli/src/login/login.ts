import { createHash, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { postPublic } from '../client.js';
import { CliError, refusedAs } from '../errors.js';
import { pause } from '../pause.js';
import { openBrowser } from './browser.js';
import { Callback, cameBack, type Came } from './callback.js';

export interface BrowserLogin {
  readonly url: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** 0: any that is free. Some providers know only one. */
  readonly port: number;
  /** False over SSH: the address is shown, and where the browser ended up is typed in. */
  readonly browser: boolean;
  readonly stdin: NodeJS.ReadableStream;
  readonly progress: (text: string) => void;
}

export interface LoggedIn {
  readonly token: string;
  readonly expires_at: string;
  readonly operator: { readonly name: string };
  readonly account: { readonly name: string };
  readonly role: string;
  readonly ended_sessions?: number;
}

interface Started {
  readonly authorization_url: string;
  readonly login: string;
  readonly state: string;
}

const PATIENCE_MS = 600_000;

/** What somebody copies from the address bar of a browser on another machine. */
const typedIn = async ({ stdin, progress }: BrowserLogin, state: string, signal: AbortSignal): Promise<Came> => {
  progress('The browser ends at an address that begins with http://127.0.0.1 and may show an error. Paste it here:');
  const lines = createInterface({ input: stdin, signal });
  for await (const line of lines) {
    if (line.trim() === '') continue;
    lines.close();
    const came = cameBack(URL.parse(line.trim()) ?? new URL('http://127.0.0.1/'), state);
    if (came instanceof CliError) throw came;
    if (came !== undefined) return came;
    throw new CliError(
      'that is not the address of this login',
      'it has no code, or that of another',
      'log in again',
      4,
    );
  }
  throw new CliError('no address came', 'stdin ended', 'log in again', 4);
};

const patiently = async <T>(answer: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = `nobody came back from the provider in ${PATIENCE_MS / 60_000} minutes`;
    timer = setTimeout(() => reject(new CliError('the login took too long', why, 'log in again', 4)), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** A platform says where to go, and not what else of this machine is opened. */
export const pageAt = (text: unknown): string => {
  const url = URL.parse(String(text));
  if (url !== null && /^https?:$/.test(url.protocol)) return url.href;
  throw new CliError(
    'the platform names no page to log in at',
    'it is no http:// or https:// address',
    'check --url',
    3,
  );
};

/** Where many log in at once one may be sent away, and is not used up. */
const finished = async (url: string, finish: Readonly<Record<string, unknown>>) => {
  for (let tries = 0; ; tries++) {
    try {
      return await postPublic(url, 'login/oidc/finish', finish);
    } catch (error) {
      if (refusedAs(error) !== 'too_many_attempts' || tries >= 30) throw error;
      await pause(1_000, new AbortController().signal);
    }
  }
};

/** Authorization code with PKCE; the verifier stays in this process. */
export const browserLogin = async (login: BrowserLogin): Promise<LoggedIn> => {
  const verifier = randomBytes(32).toString('base64url');
  const code_challenge = createHash('sha256').update(verifier).digest('base64url');
  const callback = await Callback.listen(login.port);
  const over = new AbortController();
  try {
    const redirect_uri = callback.redirectUri;
    const started = (await postPublic(login.url, 'login/oidc/start', {
      redirect_uri,
      code_challenge,
    })) as unknown as Started;
    const { state } = started;
    const authorization_url = pageAt(started.authorization_url);
    const answer = callback.answer(state);
    const opened = login.browser && (await openBrowser(authorization_url, login.env));
    login.progress(
      `${opened ? 'A browser opens. If it does not, open' : 'Open'} this address:\n\n  ${authorization_url}\n`,
    );
    const came = await patiently(login.browser ? answer : Promise.race([answer, typedIn(login, state, over.signal)]));
    const finish = { ...came, login: started.login, code_verifier: verifier };
    return (await finished(login.url, finish)) as unknown as LoggedIn;
  } finally {
    // Whoever waits for a line would keep this program from ending.
    over.abort();
    callback.close();
  }
};
