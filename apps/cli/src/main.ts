import { writeSync } from 'node:fs';
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
 * file, the text, and nothing else (start-up.int-spec.ts counts them).
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
  const { asCliError, failure } = await import('./failure.js');
  const told = error instanceof CliError ? error : asCliError(error, process.env.DROVER_DEBUG !== undefined);
  const json = wantsJson(argv);
  (json ? process.stdout : process.stderr).write(`${failure(told, json)}\n`);
  return told.exitCode;
};

/** `drover tools | head` is no failure; an answer that went to a full disk is, and nobody may take it for whole. */
const mayEndEarly = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') process.exit(0);
  const why = error.code === 'ENOSPC' ? 'the disk is full (ENOSPC)' : error.message;
  writeSync(2, `error:   the answer could not be written\n  why:   ${why}\n  try:   write it elsewhere\n`);
  process.exit(1);
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
