import { fleetSchema, kindSchema, ORDER, type Kind } from '../apply/schema.js';
import { Catalogue, type Parameter, type Tool } from '../catalogue.js';
import type { Cli } from '../cli.js';
import { CliError } from '../errors.js';
import { near } from '../near.js';
import { commandOf } from '../tool-command.js';

type Json = Readonly<Record<string, unknown>>;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

const isKind = (word: string): word is Kind => (ORDER as readonly string[]).includes(word);

const usage = (message: string, why: string, meant?: string): CliError =>
  new CliError(message, why, 'drover schema --help', 2, undefined, meant);

const described = (tool: Tool) => ({
  command: `drover ${commandOf(tool)}`,
  tool: tool.name,
  group: tool.group,
  danger: tool.danger,
  summary: tool.summary,
  description: tool.description,
  aliases: tool.aliases,
  examples: tool.examples,
  input: tool.input_schema,
  output: tool.output_schema ?? null,
});

/** The thing that a noun's commands are about: what its get answers, else one of what its list does. */
const thingOf = (tools: readonly Tool[], noun: string): Json | undefined => {
  const reader = ['get', 'list'].flatMap(
    (verb) => tools.find((t) => t.cli?.[0] === noun && t.cli[1] === verb) ?? [],
  )[0];
  const fields = Object.values(reader?.output_schema?.properties ?? {});
  const shape = fields.map((p): Parameter => p.items ?? p).find((p) => p.properties !== undefined);
  return shape === undefined ? undefined : { $schema: DIALECT, title: noun, ...shape };
};

const toolOf = (tools: readonly Tool[], words: readonly string[]): Tool | undefined =>
  tools.find((t) => t.name === words[0] && words.length === 1) ??
  tools.find((t) => t.cli?.[0] === words[0] && t.cli?.[1] === words[1] && words.length === 2);

const missing = (tools: readonly Tool[], words: readonly string[]): CliError => {
  const nouns = tools.flatMap((t) => t.cli?.[0] ?? []);
  const [noun = '', verb] = words;
  const verbs = tools.filter((t) => t.cli?.[0] === noun).map((t) => t.cli![1]);
  if (verbs.length > 0 && verb !== undefined) {
    const guess = near(verb, verbs);
    const meant = guess === undefined ? undefined : `drover schema ${noun} ${guess}`;
    return usage(`drover schema ${words.join(' ')}`, `${noun} has ${verbs.sort().join(', ')}`, meant);
  }
  const guess = near(noun, [...ORDER, 'apply', ...nouns, ...tools.map((t) => t.name)]);
  const why = `it is apply, one of ${ORDER.join(', ')}, a noun, a command, or a tool`;
  return usage(`there is no schema ${noun}`, why, guess === undefined ? undefined : `drover schema ${guess}`);
};

const oneSide = (tool: Tool, flags: readonly string[]): Json => {
  const { input, output, ...rest } = described(tool);
  if (flags.length === 0) return { ...rest, input, output };
  const side = flags[0] === '--arguments' ? input : output;
  return { $schema: DIALECT, title: `${tool.name} ${flags[0]!.slice(2)}`, ...side };
};

const schemaOf = async (tools: () => Promise<readonly Tool[]>, words: string[], flags: string[]): Promise<unknown> => {
  const [first = '', second] = words;
  if (first === 'apply' && second === undefined) return fleetSchema();
  if (isKind(first) && second === undefined) return kindSchema(first);
  const known = await tools();
  if (words.length === 0) return { fleet_file: fleetSchema(), commands: known.map(described) };
  const tool = toolOf(known, words);
  if (tool !== undefined) return oneSide(tool, flags);
  const noun = known.some((t) => t.cli?.[0] === first) ? first : first.replace(/s$/, '');
  const thing = second === undefined && flags.length === 0 ? thingOf(known, noun) : undefined;
  if (thing === undefined) throw missing(known, words);
  return thing;
};

/** `drover schema`; answers the exit code. What needs no platform asks for none: `makeCli` is only called for the others. */
export const runSchema = async (makeCli: () => Cli, words: readonly string[], out: Cli['out']): Promise<number> => {
  const flags = words.filter((word) => word.startsWith('-'));
  const unknown = flags.find((flag) => flag !== '--arguments' && flag !== '--answer');
  if (unknown !== undefined)
    throw usage(unknown, 'it has --arguments and --answer', near(unknown, ['--arguments', '--answer']));
  if (flags.length > 1) throw usage(flags.join(' '), 'without either it shows both');
  const names = words.filter((word) => !word.startsWith('-'));
  const schema = await schemaOf(() => new Catalogue(makeCli().settings).all(), names, flags);
  await out(JSON.stringify(schema, null, 2));
  return 0;
};
