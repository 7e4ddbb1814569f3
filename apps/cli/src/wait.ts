import { callFlags } from './call-flags.js';
import { Catalogue } from './catalogue.js';
import type { Cli } from './cli.js';
import { CliError } from './errors.js';
import { advice } from './hints.js';
import { pause } from './pause.js';
import { shortDuration } from './text.js';
import { verdict, type Goal } from './wait-goal.js';
import { checkGoal, lookedAt } from './wait-subject.js';

export const WAIT_USAGE = `drover wait KIND/NAME --for=GOAL [--timeout 5m]     (also: KIND NAME)

  --for=state=STATE       e.g. instance/k3s-1 --for=state=running; state=ready also means the condition Ready
  --for=condition=TYPE    Ready, Progressing or Degraded is true; condition=Ready=false the other way round
  --for=delete            until it is no more (also: deleted)
  --timeout DURATION      30s, 5m, 1h (default 5m)

Exit code 0: it is so. 8: it has ended in a state from which it cannot get there, told at once. 7: not in time. 5: no such thing.
KIND is a noun with a get or a list: drover wait instance/k3s-1, vip/k3s_api_endpoint, operation/ID. What is listed by something else is named
behind that: drover wait snapshot/k3s-cluster-1/ID --for=state=available.`;

const DEFAULT_MS = 5 * 60_000;
const POLL_MS = 500;

const usage = (message: string, why: string, meant?: string): CliError =>
  new CliError(message, why, 'drover wait --help', 2, undefined, meant);

const goalOf = (text: string | undefined): Goal => {
  if (text === undefined) throw usage('wait for what?', '--for is missing');
  if (/^deleted?$/.test(text)) return { kind: 'deleted' };
  const [, what, value, holds] = /^(state|status|condition)=([\w-]+)(?:=(true|false))?$/i.exec(text) ?? [];
  if (what === undefined || value === undefined || (holds !== undefined && what !== 'condition'))
    throw usage(`--for=${text}`, 'it is state=STATE, condition=TYPE or deleted');
  if (what !== 'condition') return { kind: 'state', state: value };
  return { kind: 'condition', type: value, holds: holds !== 'false' };
};

const told = (cli: Cli, subject: string, state: string): string =>
  cli.settings.json ? JSON.stringify({ success: true, data: { subject, state } }) : `${subject} is ${state}`;

/** `drover wait`; answers the exit code. */
export const runWait = async (cli: Cli, words: readonly string[]): Promise<number> => {
  const { flags, words: others } = callFlags(undefined, words);
  const at = others.findIndex((word) => /^--for(=|$)/.test(word));
  const inline = at < 0 ? undefined : /^--for=(.*)$/.exec(others[at]!)?.[1];
  const goal = goalOf(at < 0 ? undefined : (inline ?? others[at + 1]));
  const subjects = at < 0 ? others : others.toSpliced(at, inline === undefined ? 2 : 1);
  const isApart = subjects.length === 2 && !subjects[0]!.includes('/') && !subjects.some((one) => one.startsWith('-'));
  const subject = isApart ? subjects.join('/') : subjects[0];
  if (!isApart && subjects.length !== 1)
    throw usage(subjects.slice(1).join(' ') || 'wait for what?', 'it takes one KIND/NAME');
  const { noun, name, tool, look } = await lookedAt(cli, new Catalogue(cli.settings), subject);
  checkGoal(goal, tool);
  const timeoutMs = flags.timeoutMs ?? DEFAULT_MS;
  const begun = performance.now();
  let shown: string | undefined;
  for (;;) {
    const thing = await look();
    const found = verdict(goal, thing);
    const next = advice(cli.settings, found.next ?? `drover why ${name}`, tool.name, { id: name });
    const spent = performance.now() - begun;
    if (found.state !== shown) cli.progress(`${shortDuration(spent).padStart(9)}  ${found.state}`);
    shown = found.state;
    if (found.kind === 'met') return (await cli.out(told(cli, subject!, found.state)), 0);
    if (found.kind === 'gone') throw new CliError(`there is no ${noun} ${name}`, 'it is not there', tool.lists, 5);
    if (found.kind === 'never') {
      const why = `${found.error ?? 'it says no more'}; from there it does not get where it was waited for`;
      throw new CliError(`${subject} is ${found.state}`, why, next, 8);
    }
    if (spent >= timeoutMs) {
      const why = `it is ${found.state} after ${shortDuration(timeoutMs)}`;
      throw new CliError(`${subject}: not in time`, why, next, 7);
    }
    if (cli.end.aborted) return 130;
    await pause(POLL_MS, cli.end);
  }
};
