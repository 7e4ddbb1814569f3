import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseCommandLine } from './arguments.js';
import { runCommand } from './commands.js';
import { CliError } from './errors.js';
import { USAGE } from './help.js';
import { failure } from './output.js';
import { resolveSettings, type GlobalFlags } from './settings.js';

/** The lab is a program of its own: it needs namespaces and child processes, and the CLI none of that. */
const runLab = (args: readonly string[]): Promise<number> => {
  const script = fileURLToPath(new URL('../../lab/src/cli.js', import.meta.url));
  if (!existsSync(script)) throw new CliError('the lab is not built', `${script} is missing`, 'npm run build');
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  process.on('SIGINT', pass);
  process.on('SIGTERM', pass);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
};

/** Runs one command line; answers the exit code. */
export const run = async (argv: readonly string[]): Promise<number> => {
  if (argv[0] === 'lab') return runLab(argv.slice(1));
  const { flags, help, version, words } = parseCommandLine(argv);
  if (version) return say((await import('./version.js')).version());
  if (words.length === 0) return say(USAGE, help ? 0 : 2);
  if (words[0] === 'audit') {
    const code = await audit({ flags, help, words: words.slice(1) });
    if (code !== undefined) return code;
  }
  if (words[0] === 'vpn') {
    const code = await vpn({ flags, help, words: words.slice(1) });
    if (code !== undefined) return code;
  }
  if (words[0] === 'mcp') {
    const { runMcp } = await import('./mcp.js');
    return runMcp({ flags, help, words: words.slice(1), env: process.env });
  }
  if (words[0] === 'event' && words[1] === 'watch') return watchEvents({ flags, help, words: words.slice(2) });
  if (words[0] === 'events') {
    if (words.includes('--watch')) return watchEvents({ flags, help, words: words.slice(1) });
    return say(await runCommand(resolveSettings(flags, process.env), ['recent-events', ...words.slice(1)], help));
  }
  return say(await runCommand(resolveSettings(flags, process.env), words, help));
};

/** Loaded only when it is asked for: hashing and signatures are nothing that other commands need. */
const audit = async (command: { flags: GlobalFlags; help: boolean; words: readonly string[] }) => {
  const { runAudit } = await import('./audit.js');
  const output = {
    out: (text: string) => void process.stdout.write(`${text}\n`),
    progress: (text: string) => void process.stderr.write(`${text}\n`),
  };
  return runAudit({ ...command, env: process.env, output });
};

/** A grant's token that was given as an argument is gone from the list of processes before anything slow happens. */
const vpn = async (command: { flags: GlobalFlags; help: boolean; words: readonly string[] }) => {
  if (command.words[0] === 'join') process.title = 'drover vpn join';
  const { runVpn } = await import('./vpn.js');
  const output = {
    out: (text: string) => void process.stdout.write(`${text}\n`),
    progress: (text: string) => void process.stderr.write(`${text}\n`),
  };
  return runVpn({ ...command, env: process.env, output, stdin: process.stdin, colours: process.stdout.isTTY === true });
};

/** Ctrl-C ends a watch in order: the line that is being written is whole, and it is no failure. */
const watchEvents = async (command: { flags: GlobalFlags; help: boolean; words: readonly string[] }) => {
  const { runEventWatch } = await import('./event-watch.js');
  const ending = new AbortController();
  const end = () => ending.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  const out = (text: string) => new Promise<void>((resolve) => process.stdout.write(`${text}\n`, () => resolve()));
  const progress = (text: string) => void process.stderr.write(`${text}\n`);
  const terminal = process.stdout.isTTY === true;
  return runEventWatch({ ...command, env: process.env, out, progress, terminal, end: ending.signal });
};

const say = (text: string, code = 0): number => {
  (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return code;
};

/** `drover tools | head` is no failure. */
const mayEndEarly = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
};

export const main = (argv: readonly string[]): void => {
  process.stdout.on('error', mayEndEarly);
  run(argv).then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      if (!(error instanceof CliError)) throw error;
      const json = argv.some((word, i) => word === '--json' && !argv[i + 1]?.trimStart().startsWith('{'));
      (json ? process.stdout : process.stderr).write(`${failure(error, json)}\n`);
      process.exitCode = error.exitCode;
    },
  );
};
