import { call, show } from './call.js';
import { Catalogue, type Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { nounHelp, toolHelp } from './help.js';
import { near } from './near.js';
import { shownAs } from './output/format.js';
import { table } from './output.js';
import { commandOf } from './tool-command.js';
import { whatIfArguments } from './what-if.js';
import { COMMANDS, OWN_VERBS } from './words.js';

/** One command line of the registry, without its global flags; answers the exit code. */
export const runCommand = async (cli: Cli, words: readonly string[], help: boolean): Promise<number> => {
  const catalogue = new Catalogue(cli.settings);
  const [first, second, ...rest] = words;
  if (first === 'tools') return listTools(cli, await catalogue.all());
  if (first === 'recent-events') {
    const prefix =
      second === undefined || second.includes('=') || second.startsWith('-') ? [] : [`kind_prefix=${second}`];
    const others = prefix.length === 0 ? words.slice(1) : rest;
    return callNamed(cli, catalogue, 'recent_events', [...prefix, ...others], help);
  }
  if (first === 'explain' && !help && second !== undefined) {
    const { fieldHelp } = await import('./fields.js');
    const text = fieldHelp(await catalogue.known(), second);
    if (text !== undefined) return (await cli.out(text), 0);
  }
  if (first === 'explain' || first === 'why') return callNamed(cli, catalogue, 'explain', words.slice(1), help);
  if (first === 'what-if') return tryOut(cli, catalogue, words.slice(1), help);
  if (first === 'tool') {
    if (second === undefined)
      throw new CliError('which tool?', '`drover tool` needs a name', '`drover tools` lists them', 2);
    return callNamed(cli, catalogue, second.replace(/^platform\./, ''), rest, help);
  }
  return nounVerb(cli, catalogue, words, help);
};

const callNamed = async (
  cli: Cli,
  catalogue: Catalogue,
  name: string,
  words: readonly string[],
  help: boolean,
): Promise<number> => {
  const tool = await catalogue.find((t) => t.name === name);
  if (help && tool !== undefined) return (await cli.out(toolHelp(tool)), 0);
  return call(cli, tool, name, words);
};

/** `drover what-if TOOL …` and `drover what-if NOUN VERB …`: the arguments are those of the tool that is tried. */
const tryOut = async (cli: Cli, catalogue: Catalogue, words: readonly string[], help: boolean): Promise<number> => {
  if (help || words.length === 0) return callNamed(cli, catalogue, 'what_if', words, help);
  const name = words[0]!.replace(/^platform\./, '');
  const named = await catalogue.find((t) => t.name === name);
  const tool = named ?? (await catalogue.find((t) => t.cli?.[0] === words[0] && t.cli?.[1] === words[1]));
  const args = whatIfArguments(tool, name, words.slice(named === undefined && tool !== undefined ? 2 : 1));
  const shown = shownAs(cli.settings);
  return (await cli.out(await show(await callTool(cli.settings, 'what_if', args), shown, 'what_if')), 0);
};

/** Words that people expect; what they stand for is in the registry like everything else. */
const alias = (words: readonly string[], nouns: ReadonlySet<string>): readonly string[] => {
  const [noun = '', verb, ...rest] = words;
  const singular = noun.replace(/s$/, '');
  if (nouns.has(noun) || !nouns.has(singular)) return words;
  return verb === undefined || /^-|=/.test(verb) ? [singular, 'list', ...words.slice(1)] : [singular, verb, ...rest];
};

const nounVerb = async (cli: Cli, catalogue: Catalogue, words: readonly string[], help: boolean): Promise<number> => {
  const known = await catalogue.known();
  const nouns = new Set(known.flatMap((t) => (t.cli === undefined ? [] : [t.cli[0]])));
  const [noun = '', verb, ...rest] = alias(words, nouns);
  const isIt = (t: Tool) => t.cli?.[0] === noun && t.cli[1] === verb;
  // What has a past is more with every release of the platform: what it once said is not held against it.
  const isTimed = rest.some((word) => /^--?at(=|$)/.test(word));
  const tool = isTimed ? (await catalogue.all()).find(isIt) : await catalogue.find(isIt);
  if (tool !== undefined) return help ? (await cli.out(toolHelp(tool)), 0) : call(cli, tool, tool.name, rest);
  const tools = await catalogue.all();
  const verbs = tools.filter((t) => t.cli?.[0] === noun);
  if (verbs.length > 0 && (verb === undefined || help)) return (await cli.out(nounHelp(noun, verbs)), 0);
  if (verbs.length > 0) throw unknownVerb(noun, verb!, verbs);
  throw unknownCommand(words, tools);
};

const unknownVerb = (noun: string, verb: string, tools: readonly Tool[]): CliError => {
  const verbs = [...tools.map((t) => t.cli![1]), ...(OWN_VERBS[noun] ?? [])].sort();
  const guess = near(verb, verbs);
  const meant = guess === undefined ? undefined : `drover ${noun} ${guess}`;
  const hint = `drover ${noun} --help`;
  return new CliError(`drover ${noun} has no ${verb}`, `it has ${verbs.join(', ')}`, hint, 2, undefined, meant);
};

/** Verbs of other programs, and what they are here. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  get: ['list'],
  ls: ['list'],
  describe: ['get'],
  show: ['get'],
  rm: ['delete'],
  remove: ['delete'],
};

/** `get nodes`, `describe node k3s-1`: the verb comes first elsewhere. */
const turned = ([first = '', second = '', third]: readonly string[], tools: readonly Tool[]): string | undefined => {
  const noun = [second, second.replace(/s$/, '')].find((one) => tools.some((t) => t.cli?.[0] === one));
  const has = (verb: string) => tools.some((t) => t.cli?.[0] === noun && t.cli?.[1] === verb);
  const isOne = third !== undefined && has(first);
  const verb = isOne ? first : [...(ELSEWHERE[first] ?? []), first].find(has);
  return noun === undefined || verb === undefined ? undefined : [`drover ${noun} ${verb}`, third].join(' ').trim();
};

const unknownCommand = (words: readonly string[], tools: readonly Tool[]): CliError => {
  const [noun = ''] = words;
  const nouns = tools.flatMap((t) => (t.cli === undefined ? [] : [t.cli[0]]));
  const guess =
    near(noun, [...nouns, ...COMMANDS]) ??
    near(
      noun,
      tools.map((t) => t.name),
    );
  const isTool = ![...nouns, ...COMMANDS].includes(guess ?? '');
  const meant = turned(words, tools) ?? (guess === undefined ? undefined : `drover ${isTool ? 'tool ' : ''}${guess}`);
  const why = 'it is neither a noun of the tools nor a command';
  return new CliError(`there is no command ${noun}`, why, 'drover --help', 2, undefined, meant);
};

const listTools = async (cli: Cli, tools: readonly Tool[]): Promise<number> => {
  const shown = shownAs(cli.settings);
  const rows = tools.map((t) => ({
    tool: t.name,
    group: t.group,
    command: `drover ${commandOf(t)}`,
    danger: t.danger,
    summary: t.summary,
  }));
  const isWhole = shown.format.kind === 'json' && shown.fields === undefined;
  if (isWhole) await cli.out(JSON.stringify({ success: true, data: { tools } }));
  else await cli.out(shown.asked ? await show({ tools: rows }, shown, 'tools', 'tool') : table(rows));
  return 0;
};
