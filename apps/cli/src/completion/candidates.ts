import type { Tool } from '../catalogue.js';
import { COMMANDS, OWN_VERBS } from '../words.js';

export interface Candidate {
  readonly value: string;
  readonly note: string;
}

/** What may stand at the end of a line: words that are known, and names that the platform has to be asked for. */
export interface Place {
  readonly fixed: readonly Candidate[];
  /** The list tool that has the names. */
  readonly names?: string;
  /** What stands before each name in the same word. */
  readonly before?: string;
}

const FORMATS = ['table', 'wide', 'json', 'yaml', 'name', 'ndjson', 'jsonpath=', 'columns='];

/** Whose names a parameter takes. */
const NOUN_OF: Readonly<Record<string, string>> = {
  node_template_id: 'template',
  template_id: 'template',
  node_id: 'node',
  instance_id: 'instance',
  node_instance_id: 'instance',
  target_instance_id: 'instance',
  network_id: 'network',
  peer_id: 'peer',
  virtual_ip_id: 'vip',
  cluster_id: 'cluster',
  firewall_rule_id: 'firewall',
  grant_id: 'grant',
  device_id: 'vpn',
  webhook_id: 'webhook',
  agent_id: 'agent',
  approval_id: 'approval',
  host_id: 'docker',
  projection: 'projection',
  module_name: 'module',
};

const plain = (values: readonly string[], note = ''): Candidate[] => values.map((value) => ({ value, note }));

const lister = (tools: readonly Tool[], noun: string): string | undefined =>
  tools.find((t) => t.cli?.[0] === noun && t.cli[1] === 'list')?.name;

const namesOf = (tools: readonly Tool[], parameter: string, noun: string): string | undefined => {
  const of = NOUN_OF[parameter] ?? (['id', 'name', 'subject'].includes(parameter) ? noun : undefined);
  return of === undefined ? undefined : lister(tools, of);
};

const withNames = (place: Place, names: string | undefined, before?: string): Place => ({
  ...place,
  ...(names === undefined ? {} : { names }),
  ...(before === undefined ? {} : { before }),
});

const nouns = (tools: readonly Tool[]): Candidate[] => {
  const all = new Map<string, string[]>();
  for (const { cli } of tools) if (cli !== undefined) all.set(cli[0], [...(all.get(cli[0]) ?? []), cli[1]]);
  return [...all].map(([value, verbs]) => ({ value, note: verbs.slice(0, 6).join(', ') }));
};

const argumentPlace = (tools: readonly Tool[], tool: Tool, typed: readonly string[]): Place => {
  const last = typed.at(-1) ?? '';
  const properties = tool.input_schema.properties ?? {};
  const noun = tool.cli?.[0] ?? '';
  const [, before, parameter] = /^((?:--)?([a-z][\w-]*)=)/.exec(last) ?? [];
  const flag = /^--([a-z][\w-]*)$/.exec(typed.at(-2) ?? '')?.[1]?.replaceAll('-', '_');
  const valueOf = parameter?.replaceAll('-', '_') ?? (flag !== undefined && flag in properties ? flag : undefined);
  if (valueOf !== undefined) {
    const values = properties[valueOf]?.enum ?? (properties[valueOf]?.type === 'boolean' ? ['true', 'false'] : []);
    const fixed = plain(values.map((one) => `${before ?? ''}${String(one)}`));
    return withNames({ fixed }, namesOf(tools, valueOf, noun), before);
  }
  const required = tool.input_schema.required ?? [];
  const fixed = Object.entries(properties).map(([name, p]) => ({
    value: `${name}=`,
    note: `${required.includes(name) ? 'required. ' : ''}${(p.description ?? '').slice(0, 60)}`,
  }));
  const isMaking = ['create', 'add'].includes(tool.cli?.[1] ?? '');
  const main = required.find((name) => !typed.some((word) => word.startsWith(`${name}=`)));
  const isFirst = typed.slice(0, -1).every((word) => word.includes('=') || word.startsWith('-'));
  return withNames({ fixed }, main === undefined || isMaking || !isFirst ? undefined : namesOf(tools, main, noun));
};

/** `drover wait KIND/NAME`. */
const waitPlace = (tools: readonly Tool[], last: string): Place => {
  const kinds = tools.flatMap((t) => (t.cli?.[1] === 'get' ? [t.cli[0]] : []));
  const [kind = '', name] = last.split('/');
  if (name === undefined)
    return {
      fixed: [...plain(kinds.map((one) => `${one}/`)), ...plain(['--for=state=', '--for=deleted', '--timeout'])],
    };
  return withNames({ fixed: [] }, lister(tools, kind), `${kind}/`);
};

/** What fits behind these words; the last one is being typed. */
export const candidates = (tools: readonly Tool[], words: readonly string[]): Place => {
  const [first = '', second, ...rest] = words;
  const last = words.at(-1) ?? '';
  if (/^(-o|--output)$/.test(words.at(-2) ?? '')) return { fixed: plain(FORMATS) };
  if (words.length <= 1) return { fixed: [...nouns(tools), ...plain(COMMANDS)] };
  if (first === 'wait') return waitPlace(tools, last);
  if (first === 'completion') return { fixed: plain(['bash', 'zsh', 'fish']) };
  if (first === 'context') return { fixed: plain(['list', 'use', 'add', 'remove']) };
  if (first === 'why') return withNames({ fixed: [] }, lister(tools, 'instance'));
  if (first === 'tool') {
    if (words.length === 2) return { fixed: tools.map((t) => ({ value: t.name, note: t.summary })) };
    const tool = tools.find((t) => t.name === second);
    return tool === undefined ? { fixed: [] } : argumentPlace(tools, tool, rest);
  }
  const own = tools.filter((t) => t.cli?.[0] === first);
  if (words.length === 2)
    return { fixed: [...own.map((t) => ({ value: t.cli![1], note: t.summary })), ...plain(OWN_VERBS[first] ?? [])] };
  const tool = own.find((t) => t.cli![1] === second);
  return tool === undefined ? { fixed: [] } : argumentPlace(tools, tool, rest);
};

/** Names with one word on how each thing does; its id where it has no name. */
export const listOf = (data: Readonly<Record<string, unknown>>): readonly Candidate[] => {
  const list = Object.values(data).find((one) => Array.isArray(one)) as readonly Record<string, unknown>[] | undefined;
  return (list ?? []).map((one) => ({
    value: String(one.hostname ?? one.name ?? one.id ?? one.agent_id ?? ''),
    note: String(one.state ?? one.status ?? one.effective_mode ?? ''),
  }));
};
