import { distance } from 'fastest-levenshtein';
import { toolArguments } from './arguments.js';
import { Catalogue, type Tool } from './catalogue.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { commandOf, nounHelp, toolHelp } from './help.js';
import { renderStory, type Story } from './explain.js';
import { human, table } from './output.js';
import type { Settings } from './settings.js';
import { columns, hasColours } from './text.js';
import { renderPrediction, whatIfArguments, type Prediction } from './what-if.js';

const near = (wanted: string, choices: Iterable<string>): string | undefined =>
  [...new Set(choices)]
    .map((choice) => ({ choice, d: distance(wanted, choice) }))
    .filter(({ choice, d }) => d <= 2 || choice.includes(wanted))
    .sort((a, b) => a.d - b.d)[0]?.choice;

const answer = (settings: Settings, data: Record<string, unknown>, tool?: string): string => {
  if (settings.json) return JSON.stringify({ success: true, data });
  if (tool === 'explain') return renderStory(data as unknown as Story, columns(), hasColours());
  if (tool === 'what_if') return renderPrediction(data as unknown as Prediction, columns(), hasColours());
  return human(data);
};

/** One command line, without its global flags; answers what to print. */
export const runCommand = async (settings: Settings, words: readonly string[], help: boolean): Promise<string> => {
  const catalogue = new Catalogue(settings);
  const [first, second, ...rest] = words;
  if (first === 'tools') return listTools(settings, await catalogue.all());
  if (first === 'recent-events') {
    const prefix =
      second === undefined || second.includes('=') || second.startsWith('-') ? [] : [`kind_prefix=${second}`];
    const others = prefix.length === 0 ? words.slice(1) : rest;
    return callNamed(settings, catalogue, 'recent_events', [...prefix, ...others], help);
  }
  if (first === 'explain' || first === 'why') return callNamed(settings, catalogue, 'explain', words.slice(1), help);
  if (first === 'what-if') return tryOut(settings, catalogue, words.slice(1), help);
  if (first === 'tool') {
    if (second === undefined)
      throw new CliError('which tool?', '`drover tool` needs a name', '`drover tools` lists them', 2);
    return callNamed(settings, catalogue, second.replace(/^platform\./, ''), rest, help);
  }
  return nounVerb(settings, catalogue, words, help);
};

const callNamed = async (
  settings: Settings,
  catalogue: Catalogue,
  name: string,
  words: readonly string[],
  help: boolean,
): Promise<string> => {
  const tool = await catalogue.find((t) => t.name === name);
  if (help && tool !== undefined) return toolHelp(tool);
  return answer(settings, await callTool(settings, name, toolArguments(tool, words)), name);
};

/** `drover what-if TOOL …` and `drover what-if NOUN VERB …`: the arguments are those of the tool that is tried. */
const tryOut = async (
  settings: Settings,
  catalogue: Catalogue,
  words: readonly string[],
  help: boolean,
): Promise<string> => {
  if (help || words.length === 0) return callNamed(settings, catalogue, 'what_if', words, help);
  const name = words[0]!.replace(/^platform\./, '');
  const named = await catalogue.find((t) => t.name === name);
  const tool = named ?? (await catalogue.find((t) => t.cli?.[0] === words[0] && t.cli?.[1] === words[1]));
  const args = whatIfArguments(tool, name, words.slice(named === undefined && tool !== undefined ? 2 : 1));
  return answer(settings, await callTool(settings, 'what_if', args), 'what_if');
};

/** Words that people expect; what they stand for is in the registry like everything else. */
const alias = (words: readonly string[]): readonly string[] => {
  if (words[0] !== 'projections') return words;
  return words[1] === undefined || /^-|=/.test(words[1])
    ? ['projection', 'list', ...words.slice(1)]
    : ['projection', ...words.slice(1)];
};

const nounVerb = async (
  settings: Settings,
  catalogue: Catalogue,
  words: readonly string[],
  help: boolean,
): Promise<string> => {
  const [noun = '', verb, ...rest] = alias(words);
  const tool = await catalogue.find((t) => t.cli?.[0] === noun && t.cli[1] === verb);
  if (tool !== undefined) {
    return help
      ? toolHelp(tool)
      : answer(settings, await callTool(settings, tool.name, toolArguments(tool, rest)), tool.name);
  }
  const tools = await catalogue.all();
  const verbs = tools.filter((t) => t.cli?.[0] === noun);
  if (verbs.length > 0 && verb === undefined) return nounHelp(noun, verbs);
  if (verbs.length > 0) throw unknownVerb(noun, verb!, verbs);
  throw unknownCommand(noun, tools);
};

const unknownVerb = (noun: string, verb: string, tools: readonly Tool[]): CliError => {
  const verbs = tools.map((t) => t.cli![1]);
  const guess = near(verb, verbs);
  const hint = guess === undefined ? `drover ${noun} ${verbs.join(' | ')}` : `drover ${noun} ${guess}`;
  return new CliError(`drover ${noun} has no ${verb}`, `it has ${verbs.join(', ')}`, hint, 2);
};

const unknownCommand = (noun: string, tools: readonly Tool[]): CliError => {
  const nouns = tools.flatMap((t) => (t.cli === undefined ? [] : [t.cli[0]]));
  const guess = near(noun, [...nouns, ...tools.map((t) => t.name), 'tools', 'tool', 'recent-events', 'lab']);
  const isTool = tools.some((t) => t.name === guess);
  const hint = guess === undefined ? 'drover --help' : `drover ${isTool ? 'tool ' : ''}${guess}`;
  return new CliError(`there is no command ${noun}`, 'it is neither a noun of the tools nor a command', hint, 2);
};

const listTools = (settings: Settings, tools: readonly Tool[]): string => {
  if (settings.json) return JSON.stringify({ success: true, data: { tools } });
  return table(
    tools.map((t) => ({
      tool: t.name,
      group: t.group,
      command: `drover ${commandOf(t)}`,
      danger: t.danger,
      summary: t.summary,
    })),
  );
};
