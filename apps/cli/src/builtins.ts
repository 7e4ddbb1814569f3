import type { Cli } from './cli.js';
import type { ContextCommand } from './contexts/command.js';
import { CliError } from './errors.js';
import { exitCodesHelp, USAGE } from './help.js';
import { resolveSettings, type GlobalFlags } from './settings.js';

export interface Command {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** undefined: it is the registry's after all. */
type Own = (command: Command) => Promise<number | undefined>;

export const say = (text: string, code = 0): number => {
  (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return code;
};

const written = (text: string) => new Promise<void>((resolve) => process.stdout.write(`${text}\n`, () => resolve()));
const progress = (text: string) => void process.stderr.write(`${text}\n`);
const output = { out: (text: string) => void process.stdout.write(`${text}\n`), progress };

/** Ctrl-C ends what waits or watches in order: the line that is being written is whole. A second one ends it at once. */
let ending: AbortController | undefined;
const end = (): AbortSignal => {
  if (ending === undefined) {
    const made = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => (made.signal.aborted ? process.exit(130) : made.abort()));
    ending = made;
  }
  return ending.signal;
};

const terminal = (): boolean => process.stdout.isTTY === true;

const surroundings = (env: Command['env']) => ({ env, out: written, progress, terminal: terminal() });

export const cliOf = ({ flags, env }: Command): Cli => ({
  settings: resolveSettings(flags, env),
  ...surroundings(env),
  // Only what looks at it ends in order; Ctrl-C ends every other command by itself, at once.
  get end() {
    return end();
  },
});

const after = (command: Command): Command => ({ ...command, words: command.words.slice(1) });

/** What draws its own output takes --json and no other format: said, not overlooked. */
export const plain = ({ flags, words }: Command): void => {
  if (flags.output === undefined || flags.output === 'json' || flags.output === 'table') return;
  const what = words.slice(0, 2).join(' ');
  throw new CliError(`drover ${what} takes no -o ${flags.output}`, 'it knows --json', 'leave -o out', 2);
};

/** What takes nothing but the formats: a word that would be overlooked is refused. */
const noMore = ({ words }: Command, known: number): void => {
  const what = words.slice(0, known).join(' ');
  const other = words[known];
  if (other !== undefined)
    throw new CliError(`drover ${what} takes no ${other}`, 'it takes no arguments', `drover ${what} --help`, 2);
};

/** Loaded only when it is asked for: hashing and signatures are nothing that other commands need. */
const audit: Own = async (command) => {
  const { runAudit } = await import('./audit.js');
  return runAudit({ ...after(command), output });
};

/** A grant's token that was given as an argument is gone from the list of processes before anything slow happens. */
const vpn: Own = async (command) => {
  if (command.words[1] === 'join') process.title = 'drover vpn join';
  const { runVpn } = await import('./vpn.js');
  return runVpn({ ...after(command), output, stdin: process.stdin, colours: terminal() });
};

const watchEvents = async (command: Command): Promise<number> => {
  const { runEventWatch } = await import('./event-watch.js');
  const format = command.flags.output === undefined ? [] : ['-o', command.flags.output];
  return runEventWatch({ ...surroundings(command.env), end: end(), ...command, words: [...command.words, ...format] });
};

const context: Own = async (command) => {
  const { runContext } = await import('./contexts/command.js');
  const { fetchTools } = await import('./client.js');
  const check = (url: string, token: string) => fetchTools({ url, token, json: false });
  const words = /^log(in|out)$/.test(command.words[0]!) ? command.words : command.words.slice(1);
  const end: ContextCommand['end'] = async (url, token) => (await import('./client.js')).endToken({ url, token });
  const obtain: ContextCommand['obtain'] = async (url, how) => {
    if (how.device) return (await import('./login/device.js')).deviceLogin({ url, progress });
    const { browserLogin } = await import('./login/login.js');
    return browserLogin({ url, ...how, env: command.env, stdin: process.stdin, progress });
  };
  return runContext({ ...command, words, stdin: process.stdin, out: output.out, check, end, obtain });
};

const wait: Own = async (command) => {
  const { runWait, WAIT_USAGE } = await import('./wait.js');
  return command.help ? say(WAIT_USAGE) : runWait(cliOf(command), command.words.slice(1));
};

/** For what has to work, or say why not, without a platform. */
const patientOf = ({ flags, env }: Command) => {
  try {
    return { env, settings: resolveSettings(flags, env) };
  } catch (error) {
    if (error instanceof CliError) return { env, settings: error };
    throw error;
  }
};

const doctor: Own = async (command) => {
  plain(command);
  const { runDoctor } = await import('./operate/doctor.js');
  const json = command.flags.json || command.flags.output === 'json';
  const io = { out: written, progress, json, colours: terminal() && command.env.NO_COLOR === undefined };
  return runDoctor(patientOf(command), command.words.slice(1), io);
};

const support: Own = async (command) => {
  plain(command);
  const { runSupport } = await import('./operate/support.js');
  const now = new Date(performance.timeOrigin + performance.now());
  return runSupport(patientOf(command), command.words.slice(1), { out: written, progress, now });
};

const node: Own = async (command) => {
  if (command.words[1] !== 'status' || command.help) return undefined;
  noMore(command, 2);
  const { runNodeStatus } = await import('./operate/node-status.js');
  return runNodeStatus(cliOf(command));
};

const completion: Own = async ({ words }) => {
  const { SCRIPTS } = await import('./completion/scripts.js');
  const script = SCRIPTS[words[1] ?? ''];
  if (script !== undefined) return say(script);
  const why = `there is one for ${Object.keys(SCRIPTS).join(', ')}`;
  throw new CliError(`no completion for ${words[1] ?? 'no shell'}`, why, 'source <(drover completion bash)', 2);
};

const apply =
  (verb: 'apply' | 'diff'): Own =>
  async (command) => {
    const { APPLY_USAGE, runApply } = await import('./apply/command.js');
    if (command.help) return say(APPLY_USAGE);
    plain(command);
    try {
      return await runApply(() => cliOf(command), verb, command.words.slice(1), written);
    } catch (error) {
      // For diff 1 says that there are differences: whatever else is wrong is more than that.
      if (verb === 'diff' && error instanceof CliError && error.exitCode === 1)
        throw new CliError(error.message, error.why, error.hint, 2, error.error, error.meant);
      throw error;
    }
  };

export const OWN: Readonly<Record<string, Own>> = {
  help: async (command) => {
    const { words } = command;
    if (words[1] === undefined) return say(USAGE);
    if (words[1] === 'exit-codes') return say(exitCodesHelp());
    const about = { ...after(command), help: true };
    const own = await ownCommand(about);
    if (own !== undefined) return own;
    const { runCommand } = await import('./commands.js');
    return runCommand(cliOf(about), about.words, true);
  },
  audit,
  vpn,
  context,
  login: context,
  logout: context,
  wait,
  doctor,
  support,
  node,
  completion,
  top: async (command) => (await import('./operate/top.js')).runTop(cliOf(command), command.words.slice(1)),
  docs: async ({ words }) => {
    const { docsText, readPages } = await import('./operate/docs.js');
    return say(docsText(readPages(), words.slice(1)));
  },
  schema: async (command) => {
    plain(command);
    const { runSchema } = await import('./schema/schema.js');
    return runSchema(() => cliOf(command), command.words.slice(1), written);
  },
  version: async (command) => {
    noMore(command, 1);
    const { runVersion } = await import('./operate/version-command.js');
    return runVersion(patientOf(command), command.flags.json || command.flags.output === 'json', written);
  },
  apply: apply('apply'),
  diff: apply('diff'),
  mcp: async (command) => {
    const { runMcp } = await import('./mcp.js');
    return runMcp(after(command));
  },
  event: async (command) =>
    command.words[1] === 'watch' ? watchEvents({ ...command, words: command.words.slice(2) }) : undefined,
  events: async (command) => {
    if (command.words.includes('--watch')) return watchEvents(after(command));
    const { runCommand } = await import('./commands.js');
    return runCommand(cliOf(command), ['recent-events', ...command.words.slice(1)], command.help);
  },
};

/** A command that is not the registry's; undefined: it is. */
export const ownCommand = async (command: Command): Promise<number | undefined> => {
  const text = command.help ? (await import('./own-help.js')).ownHelp(command.words) : undefined;
  if (text !== undefined) return say(text);
  const [first = ''] = command.words;
  return Object.hasOwn(OWN, first) ? OWN[first]!(command) : undefined;
};
