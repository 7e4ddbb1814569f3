import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';

type Row = Readonly<Record<string, unknown>>;

/** What fleet_state_at can show, by noun. */
const KINDS: Readonly<Record<string, string>> = {
  template: 'templates',
  node: 'nodes',
  instance: 'instances',
  cluster: 'clusters',
  network: 'networks',
  peer: 'peers',
  vip: 'virtual_ips',
};

const isRow = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A document with what it is about on top, as lists show it. */
const flat = ({ id, document }: { readonly id: string; readonly document: Row }): Row => {
  const inner = Object.values(document).filter((value) => isRow(value) && ('name' in value || 'status' in value));
  return { id, ...document, ...(inner.length === 1 ? (inner[0] as Row) : {}) };
};

/** `--at TIME` on a list or get: the documents of the fleet as it was at that time. */
export const readAt = async (cli: Cli, tool: Tool | undefined, args: Row, time: string): Promise<Row> => {
  const [noun = '', verb = ''] = tool?.cli ?? [];
  const kind = KINDS[noun];
  if (kind === undefined || !['list', 'get'].includes(verb)) {
    const why = `the past is kept of ${Object.keys(KINDS).join(', ')}: their list and get`;
    throw new CliError(`${tool?.name ?? 'this'} takes no --at`, why, 'drover why SUBJECT tells what happened', 2);
  }
  const data = await callTool(cli.settings, 'fleet_state_at', { time, kinds: [kind] });
  const rows = (data[kind] as { readonly id: string; readonly document: Row }[]).map(flat);
  const asOf = { as_of: (data.as_of as Row).time };
  if (verb === 'list') return { [kind]: rows, ...asOf };
  const wanted = String(Object.values(args)[0] ?? '');
  const found = rows.filter((row) => row.id === wanted || row.name === wanted || row.slug === wanted);
  if (found.length === 1) return { [noun]: found[0], ...asOf };
  const why = found.length === 0 ? `at ${time} there was none` : `${found.length} bore that name; use an id`;
  throw new CliError(`${noun} ${wanted}`, why, `drover ${noun} list --at ${time}`, found.length === 0 ? 5 : 6);
};
