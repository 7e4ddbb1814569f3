import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = (name: string): string => fileURLToPath(new URL(`./${name}.mjs`, import.meta.url));

/** What the provider says of people, by what they sign in with. */
export type People = Readonly<Record<string, { readonly groups: readonly string[] }>>;

/** A real provider in a process of its own. */
export const startOidcProvider = async (people: People, env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(process.execPath, [script('provider'), JSON.stringify(people)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', ...env },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // It warns of what is right for a test: keys and accounts in memory.
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told = `${told}${chunk.toString()}`.slice(-4_000)));
  const first = async (): Promise<string> => {
    for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('http')) return line;
    throw new Error(`the provider ended before it was there: ${told}`);
  };
  const issuer = await first();
  child.stdout.resume();
  return {
    issuer,
    change: (now: People) => void child.stdin.write(`${JSON.stringify(now)}\n`),
    stop: () => (child.stdin.end(), exited),
  };
};

/** A program for BROWSER, which signs in as the person of OIDC_PERSON. */
export const BROWSER = script('browser');

/** Enters a device's code, in a browser of the person's own. */
export const enterCode = (url: string, person: string): void => {
  const done = spawnSync(process.execPath, [BROWSER, url], {
    env: { PATH: process.env.PATH, OIDC_PERSON: person },
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`nobody could enter the code: ${done.stderr}`);
};

/** Signs in and answers where the provider would send the browser, which is not opened. */
export const signIn = (url: string, person: string): URL => {
  const env = { PATH: process.env.PATH, OIDC_PERSON: person, OIDC_STOP: '1' };
  const done = spawnSync(process.execPath, [BROWSER, url], { env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`nobody could sign in: ${done.stderr}`);
  return new URL(done.stdout.trim());
};
