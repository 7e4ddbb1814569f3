import { parseCommandLine } from './arguments.js';
import type { Command } from './builtins.js';
import { CliError } from './errors.js';

/** The lab is a program of its own: it needs namespaces and child processes, and the CLI none of that. */
const runLab = async (args: readonly string[]): Promise<number> => {
  const { spawn } = await import('node:child_process');
  const { existsSync } = await import('node:fs');
  const { fileURLToPath } = await import('node:url');
  const script = fileURLToPath(new URL('../../lab/src/cli.js', import.meta.url));
  if (!existsSync(script)) {
    const hint = 'in a checkout of the sources: npm run demo -- --empty';
    throw new CliError('the lab is not here', 'it comes with the sources, not with an installed CLI', hint);
  }
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  process.on('SIGINT', pass);
  process.on('SIGTERM', pass);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
};

/**
 * Runs one command line; answers the exit code. Whatever a command does not need is not loaded for it: `--help` takes the modules of this
 * file, the text, and nothing else (cli-start.int-spec.ts counts them).
 */
export const run = async (argv: readonly string[]): Promise<number> => {
  if (argv[0] === 'lab') return runLab(argv.slice(1));
  if (argv[0] === '__complete') return (await import('./completion/complete.js')).complete(argv.slice(1), process.env);
  const { flags, help, version, words } = parseCommandLine(argv);
  if (version) return print((await import('./version.js')).version(), 0);
  if (words.length === 0) return print((await import('./help.js')).USAGE, help ? 0 : 2);
  const { cliOf, ownCommand } = await import('./builtins.js');
  const command: Command = { flags, help, words, env: process.env };
  const own = await ownCommand(command);
  if (own !== undefined) return own;
  const { runCommand } = await import('./commands.js');
  return runCommand(cliOf(command), words, help);
};

const print = (text: string, code: number): number => {
  (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return code;
};

const fail = async (error: unknown, argv: readonly string[]): Promise<number> => {
  if (!(error instanceof CliError)) throw error;
  const { failure } = await import('./output.js');
  const json = wantsJson(argv);
  (json ? process.stdout : process.stderr).write(`${failure(error, json)}\n`);
  return error.exitCode;
};

/** `drover tools | head` is no failure. */
const mayEndEarly = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
};

/** Also when the command line itself is what is wrong. */
const wantsJson = (argv: readonly string[]): boolean =>
  argv.some(
    (word, i) =>
      (word === '--json' && !argv[i + 1]?.trimStart().startsWith('{')) ||
      /^--?o(utput)?=json$/.test(word) ||
      (/^(-o|--output)$/.test(word) && argv[i + 1] === 'json'),
  );

export const main = (argv: readonly string[]): void => {
  process.stdout.on('error', mayEndEarly);
  void run(argv)
    .catch((error: unknown) => fail(error, argv))
    .then((code) => (process.exitCode = code));
};
