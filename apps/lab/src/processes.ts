import { execFile, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** sbin holds ip, nft and friends; ordinary users often lack it. */
export const PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

/** The system's error code; not by instanceof, which fails across the realms of a test runner. */
export const codeOf = (cause: unknown): string | undefined =>
  typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined;

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const run = (
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  timeoutMs = 60_000,
): Promise<Output> =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, PATH, ...env }, maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs };
    execFile(argv[0]!, argv.slice(1), options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ code, stdout, stderr: code === 255 ? `${stderr}${error?.message ?? ''}` : stderr });
    });
  });

export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

export const must = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> => {
  const { code, stdout, stderr } = await run(argv, env);
  if (code !== 0) throw new CommandFailed(`${argv.join(' ')}: exit ${code}: ${(stderr || stdout).trim()}`);
  return stdout;
};

export const start = (
  argv: readonly string[],
  stdio: StdioOptions,
  env: Readonly<Record<string, string>> = {},
): ChildProcess => {
  // A group of its own: Ctrl-C in the terminal reaches the lab, and the lab decides what ends when.
  return spawn(argv[0]!, argv.slice(1), { stdio, env: { ...process.env, PATH, ...env }, detached: true });
};

/** Resolves with the first line that the child prints on stdout; rejects when it ends before. */
export const firstLine = (child: ChildProcess, what: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    let complaint = '';
    child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new CommandFailed(`${what} ended with ${code ?? 'a signal'}: ${(complaint + text).trim()}`)),
    );
  });

/** Field 22 of /proc/PID/stat: with it a saved pid cannot be mistaken for a later process. Undefined when gone. */
export const startTimeOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch (cause) {
    if (codeOf(cause) !== undefined) return undefined;
    throw cause;
  }
};

export const childrenOf = (pid: number): number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter((p) => p !== '')
      .map(Number);
  } catch (cause) {
    if (codeOf(cause) !== undefined) return [];
    throw cause;
  }
};

/** True when the signal was delivered. */
export const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    process.kill(pid, name);
    return true;
  } catch (cause) {
    if (codeOf(cause) === 'ESRCH') return false;
    throw cause;
  }
};

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Polls until a condition holds; the message says what was waited for. The bound is for what never comes: machines differ tenfold. */
export const until = async (
  what: string,
  look: () => boolean | Promise<boolean>,
  timeoutMs = 120_000,
  everyMs = 20,
): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(everyMs);
  }
};
