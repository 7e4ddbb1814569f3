import { toolArguments } from './arguments.js';
import { callFlags } from './call-flags.js';
import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool, type How } from './client.js';
import { CliError } from './errors.js';
import { renderStory, type Story } from './explain.js';
import { render, shownAs, type Shown } from './output/format.js';
import { columns, hasColours } from './text.js';
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
  const data = await callTool(settings, name, args, reads ? {} : ofChange(cli, args));
  const told = name === 'explain' && !shown.asked ? await inCommandsOfHere(cli, data, args) : data;
  await cli.out(await show(told, shown, name, tool?.cli?.[0]));
  if (!flags.wait) return 0;
  return (await import('./phases.js')).followOperation(cli, data, flags.timeoutMs);
};

/** What to do next, for who sits at a shell. */
const inCommandsOfHere = async ({ settings }: Cli, data: Row, { subject }: Row): Promise<Row> => {
  const now = data.now as { readonly next_action?: string | null } | undefined;
  if (typeof now?.next_action !== 'string') return data;
  const { advice } = await import('./hints.js');
  return { ...data, now: { ...now, next_action: advice(settings, now.next_action, 'explain', { id: subject }) } };
};

/** What changes something bears a key that no other call has, so that it can be said again when no answer came. */
const ofChange = (cli: Cli, args: Row): How => {
  const given = args.idempotency_key ?? args.client_token;
  const key = typeof given === 'string' ? {} : { idempotencyKey: crypto.randomUUID() };
  return args.dry_run === true ? {} : { ...key, signal: cli.end };
};

const noFlag = (flag: string, name: string, why: string, hint: string): CliError =>
  new CliError(`${name} takes no ${flag}`, why, hint, 2);
