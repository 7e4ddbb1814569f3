import { SCHEMA_USAGE } from './schema/usage.js';

/** --help of what is no tool and has no options to speak of; the others bring their own text. */
const TEXTS: Readonly<Record<string, string>> = {
  doctor: `drover doctor [--fix] [--json]     what a command needs, from this machine to the platform's parts

A line a check: ok, warn or fail, what was seen, and the command that repairs it. --fix does what is safe to do here.
Exit code 0: nothing fails; 1: something does.`,
  support: `drover support [--out FILE] [--log FILE…]     one file for whoever helps: what the platform answers, the last events,
                                             what doctor says, and the ends of logs

The journals of the agent and of the platform are in it where they run on this machine and may be read; --log adds the file of another
one. No secret is in it, and it says what was left out. It is written to the current folder unless --out names a file, which must not
exist. --out - writes it to stdout, for example: drover support --out - | age -r RECIPIENT > support.age`,
  top: `drover top [SCREEN] [--sort [-]COLUMN] [--filter TEXT] [--every 2s]     how things are, drawn anew on a terminal

  fleet      the machines: stage, for how long, what was sent last, when last heard (the usual one)
  clusters   status, nodes, how many servers may be lost, version, endpoint
  network    peers and virtual IPs: status, address, endpoint, who holds it
  events     the last hundred, newest first
  platform   projections and process managers: status, lag, faults

Keys: 1-5 another screen, s sorts by the next column, r turns the order round, space holds, q ends. A platform that is away for a moment
ends nothing. On a pipe, and with -o FORMAT, it is one table, once. It changes nothing.`,
  docs: `drover docs          the runbooks, tutorials and references that come with this CLI
drover docs NAME     one of them; the begin of its name is enough: drover docs backup`,
  tools: `drover tools [-o FORMAT]     all tools that this token may see, with their commands, and whether they read, change or destroy`,
  tool: `drover tool NAME [ARGUMENTS]     any tool by name; drover tool NAME --help tells its arguments, drover tools lists them`,
  completion: `drover completion bash|zsh|fish     a script for the shell, which then completes commands, arguments and live names

  bash   source <(drover completion bash)      in ~/.bashrc
  zsh    source <(drover completion zsh)       in ~/.zshrc, after compinit
  fish   drover completion fish | source       in ~/.config/fish/config.fish`,
  version: `drover version [--json]     of this CLI, and of the platform when it answers`,
  help: `drover help [NOUN [VERB]]     as --help after it; drover help exit-codes`,
  schema: SCHEMA_USAGE,
  'node status': `drover node status [-o FORMAT]     where each machine is in its provisioning, and when it was last heard

STAGE is the state of the machine, SENT the last thing that it was sent, LASTSEEN the seconds since it was last heard: -- is never.`,
};

/** undefined: the command tells it itself. */
export const ownHelp = ([first = '', second = '']: readonly string[]): string | undefined => {
  // `drover tool NAME --help` is that tool's.
  if (first === 'tool' && second !== '') return undefined;
  return TEXTS[`${first} ${second}`] ?? TEXTS[first];
};
