import { durationMs } from './call-flags.js';
import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { matching, named, type Row } from './read-at-filter.js';

/** What fleet_state_at can show, by noun. */
const KINDS: Readonly<Record<string, string>> = {
  template: 'templates',
  node: 'nodes',
  instance: 'instances',
  cluster: 'clusters',
  network: 'networks',
  peer: 'peers',
  vip: 'virtual_ips',
  firewall: 'firewall_rules',
};

const MOST = 5_000;
const AGO = /^((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)(?: ago)?$/;

/** A moment, or how long ago it was: 10m, 1h30m, 2d. */
export const momentOf = (text: string, nowMs: number): string => {
  const ago = AGO.exec(text)?.[1];
  if (ago === undefined) return text;
  const inHours = ago.replaceAll(/(\d+(?:\.\d+)?)d/g, (_all, days: string) => `${Number(days) * 24}h`);
  return new Date(nowMs - durationMs(inHours, '--at')).toISOString();
};

const refuse = (tool: Tool | undefined): CliError => {
  const nouns = Object.keys(KINDS).join(', ');
  const why = `the past is kept of ${nouns}: their list and get, cluster nodes, and why`;
  const hint = 'drover fleet at TIME shows all of it; drover why SUBJECT tells what happened';
  return new CliError(`${tool?.name ?? 'this'} takes no --at`, why, hint, 2);
};

/** `--at TIME`: lists and gets as they were at that time, made from the log, in the words of today's. */
export const readAt = async (cli: Cli, tool: Tool | undefined, args: Row, text: string): Promise<Row> => {
  const time = momentOf(text, performance.timeOrigin + performance.now());
  const [noun = '', verb = ''] = tool?.cli ?? [];
  // The story as it could be told then.
  if (tool?.name === 'explain' && args.to === undefined)
    return callTool(cli.settings, 'explain', { ...args, to: time });
  const kind = KINDS[noun];
  const isNodes = noun === 'cluster' && verb === 'nodes';
  if (kind === undefined || !(['list', 'get'].includes(verb) || isNodes)) throw refuse(tool);
  const asked = canonical(tool!, args);
  const kinds = [...new Set([kind, 'networks', 'templates', ...('node_id' in asked ? ['nodes'] : [])])];
  const data = await callTool(cli.settings, 'fleet_state_at', { time, kinds, views: true, limit: MOST });
  const rows = (of: string) => ((data[of] ?? []) as readonly { readonly view: Row }[]).map(({ view }) => view);
  const asOf = { as_of: (data.as_of as Row).time };
  const total = Number((data.counts as Row)[kind]);
  if (total > MOST) cli.progress(`${total} ${kind} there were, the first ${MOST} are looked at`);
  const others = { network_id: rows('networks'), node_template_id: rows('templates'), node_id: rows('nodes') };
  if (verb === 'list') return { [kind]: matching(rows(kind), noun, asked, others).map(plain), ...asOf };
  const subject = tool!.input_schema.required?.[0] ?? '';
  const wanted = String(asked[subject] ?? '');
  const within = subject === 'network_id' ? undefined : asked.network_id;
  const found = one(named(rows(kind), noun, wanted, within, others.network_id), noun, time, wanted);
  return isNodes ? { nodes: found.nodes, ...asOf } : { [noun]: plain(found), ...asOf };
};

/** Each argument under the name that the tool has for it. */
const canonical = ({ aliases, input_schema: { properties = {} } }: Tool, args: Row): Row =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name in properties ? name : (aliases[name] ?? name), value]),
  );

/** A cluster's nodes have a command of their own. */
const plain = ({ nodes: _nodes, ...row }: Row): Row => row;

const one = (found: readonly Row[], noun: string, time: string, wanted: string): Row => {
  if (found.length === 1) return found[0]!;
  const why = found.length === 0 ? `at ${time} there was none` : `${found.length} bore that name; use an id`;
  throw new CliError(`${noun} ${wanted}`, why, `drover ${noun} list --at ${time}`, found.length === 0 ? 5 : 6);
};
