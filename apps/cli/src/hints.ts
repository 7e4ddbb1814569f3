import { remembered, toolsFile } from './remembered.js';
import type { Settings } from './settings.js';
import { commandOf, quote } from './tool-command.js';
import type { Tool } from './tool.js';

type Arguments = Readonly<Record<string, unknown>>;

/** Names of tools begin so; one that this token does not see is called by its name. */
const IS_TOOL = /^(system|kubernetes)_/;
const NAME = String.raw`\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b`;
const MENTION = new RegExp(`${NAME}(?:\\(\\{([^}]*)\\}\\))?(?![\\w=])`, 'g');

/** `{network_id, module_name: "docker-engine"}`: values where they are told, else null. */
const writtenArguments = (text: string): ReadonlyMap<string, string | null> =>
  new Map(
    [...text.matchAll(/([a-z_]+)(?:: ("[^"]*"|[^,}]+))?/g)].map(([, name, value]): [string, string | null] => [
      name!,
      value === undefined ? null : value.trim().replaceAll('"', ''),
    ]),
  );

/** Names of arguments that all mean a machine: a node, its instance, or the name that both bear. */
const MACHINE = ['id', 'instance_id', 'node_instance_id', 'node_id', 'hostname'];

const knownAs = (name: string, called: Arguments): unknown =>
  called[name] ??
  (MACHINE.includes(name) ? MACHINE.map((one) => called[one]).find((one) => one !== undefined) : undefined);

/** What is known from the call that was refused is filled in, what is not stands in capitals. */
const argumentWords = (names: ReadonlyMap<string, string | null>, called: Arguments): string[] =>
  [...names].map(([name, value]) => {
    const known = value ?? knownAs(name, called);
    return `${name}=${known === undefined || known === null ? name.toUpperCase() : quote(known)}`;
  });

const needed = (tool: Tool | undefined): ReadonlyMap<string, null> =>
  new Map((tool?.input_schema.required ?? []).map((name): [string, null] => [name, null]));

/**
 * The platform's advice names tools, because most of its callers have tools; whoever sits at a shell gets commands. `called` are the
 * arguments of the call of `name` that was refused.
 */
export const inCommands = (hint: string, tools: readonly Tool[], name: string, called: Arguments): string => {
  const command = (wanted: string) => {
    const tool = tools.find((one) => one.name === wanted);
    return `drover ${tool === undefined ? `tool ${wanted}` : commandOf(tool)}`;
  };
  const replaced = (whole: string, wanted: string, written?: string): string => {
    const tool = tools.find((one) => one.name === wanted);
    if (tool === undefined && !IS_TOOL.test(wanted)) return whole;
    const names = written === undefined ? needed(tool) : writtenArguments(written);
    return `\`${[command(wanted), ...argumentWords(names, called)].join(' ')}\``;
  };
  const again = [command(name), ...Object.entries(called).map(([k, v]) => `${k}=${quote(v)}`)].join(' ');
  return (
    hint
      .replace(new RegExp(`${NAME} with the same arguments and dry_run: true`), `\`${again} --dry-run\``)
      // What stands in backticks is a command already.
      .split('`')
      .map((text, i) => (i % 2 === 1 ? text : text.replaceAll(MENTION, replaced)))
      .join('`')
  );
};

/** Advice of the platform for whoever calls it with these settings. */
export const advice = (settings: Settings, text: string, name: string, called: Arguments): string =>
  inCommands(text, remembered(toolsFile(settings)) ?? [], name, called);
