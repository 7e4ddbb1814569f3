import { Catalogue, type Parameter, type Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { near } from './near.js';
import { isGone, type Goal } from './wait-goal.js';

type Thing = Readonly<Record<string, unknown>>;

/** A kind of thing, as far as what its tools answer tells. */
export interface Kind {
  readonly name: string;
  readonly noun: string;
  /** The states that it can be in; empty when no schema says. */
  readonly states: readonly string[];
  readonly hasState: boolean;
  /** The command that lists such things. */
  readonly lists: string | undefined;
}

export interface Subject {
  readonly noun: string;
  readonly name: string;
  readonly tool: Kind;
  /** undefined: there is none. */
  look(): Promise<Thing | undefined>;
}

const usage = (message: string, why: string, meant?: string): CliError =>
  new CliError(message, why, 'drover wait --help', 2, undefined, meant);

const isThing = (value: unknown): value is Thing =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const valuesOf = (p: Parameter | undefined): readonly string[] =>
  (p?.enum ?? p?.anyOf?.flatMap((one) => one.enum ?? []) ?? []).map(String);

/** What get answers, or one of what list does. */
const shapeOf = (tool: Tool): Parameter | undefined =>
  Object.values(tool.output_schema?.properties ?? {})
    .map((p): Parameter => p.items ?? p)
    .find((p) => p.properties !== undefined);

const kindOf = (tools: readonly Tool[], reader: Tool): Kind => {
  const [noun] = reader.cli!;
  const fields = shapeOf(reader)?.properties ?? {};
  const list = tools.find((t) => t.cli?.[0] === noun && t.cli[1] === 'list');
  // Where a state is told as text, the filter of the list knows what it may be.
  const filters = list?.input_schema.properties ?? {};
  const name = 'state' in fields ? 'state' : 'status';
  const known = [fields[name], filters[name]].map(valuesOf);
  return {
    name: reader.name,
    noun,
    states: known.find((values) => values.length > 0) ?? [],
    hasState: 'state' in fields || 'status' in fields || shapeOf(reader) === undefined,
    lists: list === undefined ? undefined : `drover ${noun} list`,
  };
};

const CONDITIONS = ['Ready', 'Progressing', 'Degraded'];

/** A state or a condition that no such thing can ever have is refused, instead of being waited for. */
export const checkGoal = (goal: Goal, { noun, states, hasState }: Kind): void => {
  if (goal.kind === 'condition' && !CONDITIONS.some((one) => one.toLowerCase() === goal.type.toLowerCase()))
    throw usage(`--for=condition=${goal.type}`, `conditions are ${CONDITIONS.join(', ')}`, near(goal.type, CONDITIONS));
  if (goal.kind !== 'state' || goal.state === 'ready') return;
  if (!hasState) throw usage(`--for=state=${goal.state}`, `${noun} has no states: it is ready or not`, 'state=ready');
  if (states.length > 0 && !states.includes(goal.state))
    throw usage(`--for=state=${goal.state}`, `states of ${noun} are ${states.join(', ')}`, near(goal.state, states));
};

const reading = async (ask: () => Promise<Thing | undefined>): Promise<Thing | undefined> => {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 5) return undefined;
    throw error;
  }
};

const byGet = (cli: Cli, tool: Tool, name: string) => async (): Promise<Thing | undefined> => {
  const argument = tool.input_schema.required?.[0] ?? 'id';
  return Object.values(await callTool(cli.settings, tool.name, { [argument]: name })).find(isThing);
};

/** Also what is no more: it is told how it ended. */
const GONE_TOO = /^include_/;

const byList = (cli: Cli, tool: Tool, name: string) => async (): Promise<Thing | undefined> => {
  const { properties = {}, required = [] } = tool.input_schema;
  const [owner, ...rest] = required.length === 0 ? [undefined, name] : name.split('/');
  const wanted = rest.join('/');
  if (wanted === '') throw usage(name, `it is ${tool.cli![0]}/${required[0]!.replace(/_id$/, '').toUpperCase()}/NAME`);
  const gone = Object.keys(properties).filter((one) => GONE_TOO.test(one));
  const args = {
    ...(owner === undefined ? {} : { [required[0]!]: owner }),
    ...Object.fromEntries(gone.map((g) => [g, true])),
  };
  const named: Thing[] = [];
  let cursor: unknown;
  do {
    const page: Thing = await callTool(cli.settings, tool.name, { ...args, ...(cursor == null ? {} : { cursor }) });
    const rows = (Object.values(page).find((one) => Array.isArray(one)) ?? []) as readonly Thing[];
    const byId = rows.find((row) => row.id === wanted);
    if (byId !== undefined) return byId;
    named.push(...rows.filter((row) => row.name === wanted || row.hostname === wanted));
    cursor = page.next_cursor;
  } while (cursor != null);
  // A name may have been given anew: what lives is meant, else what bore it last.
  return named.findLast((row) => !isGone(row)) ?? named.at(-1);
};

export const lookedAt = async (cli: Cli, catalogue: Catalogue, subject: string | undefined): Promise<Subject> => {
  const [kind = '', ...rest] = (subject ?? '').split('/');
  const name = rest.join('/');
  if (kind === '' || name === '') throw usage(subject ?? 'wait for what?', 'it is KIND/NAME, e.g. instance/k3s-1');
  const is = (verb: string) => (t: Tool) => t.cli?.[0] === kind.replace(/s$/, '') && t.cli[1] === verb;
  const get = await catalogue.find(is('get'));
  const reader = get ?? (await catalogue.find(is('list')));
  const tools = await catalogue.known();
  if (reader === undefined) {
    const kinds = [...new Set(tools.flatMap((t) => (['get', 'list'].includes(t.cli?.[1] ?? '') ? [t.cli![0]] : [])))];
    throw usage(`there is no kind ${kind}`, `kinds are ${kinds.join(', ')}`, near(kind, kinds));
  }
  const ask = get === undefined ? byList(cli, reader, name) : byGet(cli, get, name);
  return { noun: reader.cli![0], name, tool: kindOf(tools, reader), look: () => reading(ask) };
};
