import { callFlags } from './call-flags.js';
import { Catalogue, type Parameter, type Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { advice } from './hints.js';
import { near } from './near.js';
import { pause } from './pause.js';
import { shortDuration } from './text.js';
import { verdict, type Goal } from './wait-goal.js';

export const WAIT_USAGE = `drover wait KIND/NAME --for=GOAL [--timeout 5m]

  --for=state=STATE       e.g. instance/k3s-1 --for=state=running, upgrade … ; state=ready also means the condition Ready
  --for=condition=TYPE    Ready, Progressing or Degraded is true; condition=Ready=false the other way round
  --for=deleted           until it is no more
  --timeout DURATION      30s, 5m, 1h (default 5m)

Exit code 0: it is so. 8: it has ended in a state from which it cannot get there, told at once. 7: not in time. 5: no such thing.
KIND is a noun with a get command: drover wait instance/k3s-1, drover wait vip/k3s_api_endpoint.`;

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

/** The states that the tool's answer can show; empty when its schema does not say. */
const statesOf = (tool: Tool): readonly string[] => {
  const thing = Object.values(tool.output_schema?.properties ?? {}).find((p) => p.properties?.conditions !== undefined);
  const field: Parameter | undefined = thing?.properties?.state ?? thing?.properties?.status;
  return (field?.enum ?? field?.anyOf?.flatMap((one) => one.enum ?? []) ?? []).map(String);
};

const checkState = (goal: Goal, tool: Tool): void => {
  const states = statesOf(tool);
  if (goal.kind !== 'state' || goal.state === 'ready' || states.length === 0 || states.includes(goal.state)) return;
  throw usage(`--for=state=${goal.state}`, `a ${tool.cli![0]} is ${states.join(', ')}`, near(goal.state, states));
};

const lookedAt = async (catalogue: Catalogue, subject: string | undefined): Promise<{ tool: Tool; name: string }> => {
  const [kind = '', ...rest] = (subject ?? '').split('/');
  const name = rest.join('/');
  if (kind === '' || name === '') throw usage(subject ?? 'wait for what?', 'it is KIND/NAME, e.g. instance/k3s-1');
  const tool = await catalogue.find((t) => t.cli?.[0] === kind.replace(/s$/, '') && t.cli[1] === 'get');
  if (tool !== undefined) return { tool, name };
  const kinds = (await catalogue.known()).flatMap((t) => (t.cli?.[1] === 'get' ? [t.cli[0]] : []));
  throw usage(`there is no kind ${kind}`, `kinds are ${kinds.join(', ')}`, near(kind, kinds));
};

const look = async (cli: Cli, tool: Tool, name: string): Promise<Readonly<Record<string, unknown>> | undefined> => {
  const argument = tool.input_schema.required?.[0] ?? 'id';
  try {
    const data = await callTool(cli.settings, tool.name, { [argument]: name });
    const thing = Object.values(data).find((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
    return thing as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 5) return undefined;
    throw error;
  }
};

/** `drover wait`; answers the exit code. */
export const runWait = async (cli: Cli, words: readonly string[]): Promise<number> => {
  const { flags, words: others } = callFlags(undefined, words);
  const at = others.findIndex((word) => /^--for(=|$)/.test(word));
  const inline = at < 0 ? undefined : /^--for=(.*)$/.exec(others[at]!)?.[1];
  const goal = goalOf(at < 0 ? undefined : (inline ?? others[at + 1]));
  const subjects = at < 0 ? others : others.toSpliced(at, inline === undefined ? 2 : 1);
  if (subjects.length !== 1) throw usage(subjects.slice(1).join(' ') || 'wait for what?', 'it takes one KIND/NAME');
  const { tool, name } = await lookedAt(new Catalogue(cli.settings), subjects[0]);
  checkState(goal, tool);
  const timeoutMs = flags.timeoutMs ?? DEFAULT_MS;
  const begun = performance.now();
  let shown: string | undefined;
  for (;;) {
    const thing = await look(cli, tool, name);
    const found = verdict(goal, thing);
    const next = advice(cli.settings, found.next ?? `drover why ${name}`, tool.name, { id: name });
    const spent = performance.now() - begun;
    if (found.state !== shown) cli.progress(`${shortDuration(spent).padStart(9)}  ${found.state}`);
    shown = found.state;
    if (found.kind === 'met') return (await cli.out(`${subjects[0]} is ${found.state}`), 0);
    if (found.kind === 'gone')
      throw new CliError(`there is no ${tool.cli![0]} ${name}`, 'it is not there', `drover ${tool.cli![0]} list`, 5);
    if (found.kind === 'never') {
      const why = `${found.error ?? 'it says no more'}; from there it does not get where it was waited for`;
      throw new CliError(`${subjects[0]} is ${found.state}`, why, next, 8);
    }
    if (spent >= timeoutMs) {
      const why = `it is ${found.state} after ${shortDuration(timeoutMs)}`;
      throw new CliError(`${subjects[0]}: not in time`, why, next, 7);
    }
    if (cli.end.aborted) return 130;
    await pause(POLL_MS, cli.end);
  }
};
