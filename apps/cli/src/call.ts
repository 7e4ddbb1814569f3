import { toolArguments } from './arguments.js';
import { callFlags } from './call-flags.js';
import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
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
  const args = toolArguments(tool, rest);
  const reads = tool?.danger === 'read';
  if (flags.watch && !reads)
    throw noFlag('--watch', name, 'it follows what a list or get shows', '--wait follows a change');
  if (flags.at !== undefined) {
    if (!reads) throw noFlag('--at', name, 'the past cannot be changed', '`drover what-if` tries a change');
    const { readAt } = await import('./read-at.js');
    return (await cli.out(await show(await readAt(cli, tool, args, flags.at), shown, name, tool.cli?.[0])), 0);
  }
  if (flags.watch) return (await import('./watch.js')).watchTool(cli, tool!, args, flags.after);
  const data = await callTool(settings, name, args);
  await cli.out(await show(data, shown, name, tool?.cli?.[0]));
  if (!flags.wait) return 0;
  return (await import('./phases.js')).followOperation(cli, data, flags.timeoutMs);
};

const noFlag = (flag: string, name: string, why: string, hint: string): CliError =>
  new CliError(`${name} takes no ${flag}`, why, hint, 2);
