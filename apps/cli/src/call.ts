import { toolArguments } from './arguments.js';
import { callFlags } from './call-flags.js';
import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool, type How } from './client.js';
import { CliError, refusedAs } from './errors.js';
import { renderStory, type Story } from './explain.js';
import { render, shownAs, type Shown } from './output/format.js';
import { columns, hasColours } from './text.js';
import { commandOf } from './tool-command.js';
import { renderDryRun, renderPrediction, type Prediction } from './what-if.js';

type Row = Readonly<Record<string, unknown>>;

/** An answer as it was asked for; a person gets some of them drawn. */
export const show = async (data: Row, shown: Shown, name: string, noun?: string): Promise<string> => {
  if (!shown.asked) {
    if (name === 'explain') return renderStory(data as unknown as Story, columns(), hasColours());
    if (name === 'what_if') return renderPrediction(data as unknown as Prediction, columns(), hasColours());
    if (data.outcome === 'planned' && data.dry_run !== undefined)
      return renderDryRun(name, data, columns(), hasColours());
  }
  return render(data, shown, noun);
};

/** One call with everything around it; answers the exit code. */
export const call = async (
  cli: Cli,
  tool: Tool | undefined,
  name: string,
  words: readonly string[],
): Promise<number> => {
  const { settings } = cli;
  const shown = shownAs(settings);
  const { flags, words: rest } = callFlags(tool, words);
  const written = toolArguments(tool, rest);
  const reads = tool?.danger === 'read';
  if (flags.watch && !reads)
    throw noFlag('--watch', name, 'it follows what a list or get shows', '--wait follows a change');
  const isTimed = reads && (flags.at !== undefined || 'at' in written || 'time' in written);
  const args = isTimed ? (await import('./read-at.js')).momentsIn(tool, written) : written;
  if (flags.at !== undefined) {
    if (!reads) throw noFlag('--at', name, 'the past cannot be changed', '`drover what-if` tries a change');
    if (flags.watch) throw noFlag('--watch with --at', name, 'what is over changes no more', 'leave one of them out');
    const { readAt } = await import('./read-at.js');
    return (await cli.out(await show(await readAt(cli, tool, args, flags.at), shown, name, tool.cli?.[0])), 0);
  }
  if (flags.watch) return (await import('./watch.js')).watchTool(cli, tool!, args, flags.after);
  const data = await withUsage(tool, () => callTool(settings, name, args, reads ? {} : ofChange(cli, args)));
  const told = shown.asked ? data : await inCommandsOfHere(cli, name, data, args);
  await cli.out(await show(told, shown, name, tool?.cli?.[0]));
  if (!flags.wait) return 0;
  return (await import('./phases.js')).followOperation(cli, data, flags.timeoutMs);
};

const MISUSED = ['missing_parameter', 'unknown_parameter', 'invalid_parameter'];

/** Whoever gave the wrong arguments needs to see the right ones. */
const withUsage = async <T>(tool: Tool | undefined, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CliError) || tool === undefined || !MISUSED.includes(refusedAs(error) ?? '')) throw error;
    const hint = [error.hint, `drover ${commandOf(tool)} --help`].filter((text) => text !== undefined).join('; ');
    throw new CliError(error.message, error.why, hint, error.exitCode, error.error, error.meant);
  }
};

/** What to do next, for who sits at a shell: of the thing, of each of a list, and of what a story is about. */
const inCommandsOfHere = async ({ settings }: Cli, name: string, data: Row, { subject }: Row): Promise<Row> => {
  if (!JSON.stringify(data).includes('"next_action":"')) return data;
  const { advice } = await import('./hints.js');
  const of = (thing: Row): Row => {
    if (typeof thing.next_action !== 'string') return thing;
    const called = name === 'explain' ? { id: subject } : { id: thing.name ?? thing.id };
    return { ...thing, next_action: advice(settings, thing.next_action, name, called) };
  };
  const isThing = (value: unknown): value is Row =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const inside = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one: unknown) => (isThing(one) ? of(one) : one));
    return isThing(value) ? of(value) : value;
  };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, inside(value)]));
};

/** What changes something bears a key that no other call has, so that it can be said again when no answer came. */
const ofChange = (cli: Cli, args: Row): How => {
  const given = args.idempotency_key ?? args.client_token;
  const key = typeof given === 'string' ? {} : { idempotencyKey: crypto.randomUUID() };
  return args.dry_run === true ? {} : { ...key, signal: cli.end };
};

const noFlag = (flag: string, name: string, why: string, hint: string): CliError =>
  new CliError(`${name} takes no ${flag}`, why, hint, 2);
