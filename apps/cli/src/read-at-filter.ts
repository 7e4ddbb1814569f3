import { CliError } from './errors.js';

export type Row = Readonly<Record<string, unknown>>;

/** What lists leave out unless they are asked for it. */
const GONE: Readonly<Record<string, { readonly flag: string; readonly states: readonly string[] }>> = {
  instance: { flag: 'include_gone', states: ['terminated', 'forgotten'] },
  cluster: { flag: 'include_decommissioned', states: ['decommissioned'] },
  peer: { flag: 'include_removed', states: ['removed'] },
  vip: { flag: 'include_released', states: ['released'] },
  firewall: { flag: '', states: ['deleted'] },
  docker: { flag: 'include_decommissioned', states: ['decommissioned'] },
  snapshot: { flag: 'include_deleted', states: ['deleted'] },
  kubeconfig: { flag: 'include_ended', states: ['expired', 'revoked'] },
  webhook: { flag: '', states: ['deleted'] },
};

/** Filters of lists that are fields of what they list, by the field. */
const FIELDS: Readonly<Record<string, string>> = {
  state: 'state',
  status: 'status',
  node_id: 'node_id',
  network_id: 'network_id',
  cluster_id: 'cluster_id',
  operator: 'id',
  node_template_id: 'template_id',
  template_id: 'template_id',
};

const stateOf = (row: Row): string => String(row.state ?? row.status ?? '');

/** By what things of some kinds are found besides: the same as today. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  instance: ['node_id'],
  peer: ['node_instance_id', 'host_address'],
};
const NAMES = ['id', 'name', 'hostname', 'slug', 'handle', 'address', 'purpose'];

const bears = (row: Row, wanted: string, noun = ''): boolean =>
  [...NAMES, ...(ALSO[noun] ?? [])].some((field) => row[field] === wanted);

/** The id that is meant by an id, or by the name of one of these; undefined: there was no such thing. */
const idOf = (wanted: string, things: readonly Row[]): unknown =>
  things.find((row) => row.id === wanted)?.id ?? things.find((row) => bears(row, wanted))?.id;

/** What a filter asks for. One that names what there was not is refused as it is today: an empty list would say that there was nothing. */
const valueOf = (
  name: string,
  field: string,
  wanted: unknown,
  things: readonly Row[] | undefined,
  rows: readonly Row[],
) => {
  if (things === undefined || rows.some((row) => row[field] === wanted)) return wanted;
  const id = idOf(String(wanted), things);
  if (id !== undefined) return id;
  const kind = name.replace(/^node_(?=template)|_id$/g, '');
  throw new CliError(`${kind} ${String(wanted)}`, 'at that time there was none', `drover ${kind} list --at TIME`, 5);
};

/**
 * What a list would have been with these arguments. One that cannot be taken into account is refused: an answer that ignores it would
 * be wrong without saying so.
 */
export const matching = (
  rows: readonly Row[],
  noun: string,
  args: Row,
  others: Readonly<Record<string, readonly Row[]>>,
): readonly Row[] => {
  const gone = GONE[noun];
  let found = rows;
  for (const [name, value] of Object.entries(args)) {
    const field = FIELDS[name];
    // Which are the first is known once they stand in their order: `firstOf`.
    if (name === gone?.flag || name === 'limit') continue;
    if (field === undefined)
      throw new CliError(`--at with ${name}`, 'a list of the past cannot be cut by that', 'leave it out', 2);
    const wanted = valueOf(name, field, value, others[field === 'template_id' ? 'node_template_id' : name], rows);
    found = found.filter((row) => row[field] === wanted);
  }
  const asked = args.state ?? args.status;
  const isHidden = (row: Row) => gone?.states.includes(stateOf(row)) === true && stateOf(row) !== asked;
  if (gone !== undefined && args[gone.flag] !== true) found = found.filter((row) => !isHidden(row));
  return found;
};

/** Of each list of an answer as many as were asked for, as its tool cuts it today: after it was put in order. */
export const firstOf = (lists: Row, limit: unknown): Row =>
  typeof limit !== 'number'
    ? lists
    : Object.fromEntries(Object.entries(lists).map(([name, all]) => [name, (all as readonly Row[]).slice(0, limit)]));

/** What a get would have found: by id, else by name; what was gone by then only by its id. */
export const named = (
  rows: readonly Row[],
  noun: string,
  wanted: string,
  within: unknown,
  networks: readonly Row[],
): readonly Row[] => {
  const byId = rows.filter((row) => row.id === wanted);
  if (byId.length > 0) return byId;
  const network = within === undefined ? undefined : valueOf('network_id', 'network_id', within, networks, rows);
  const inside = network === undefined ? rows : rows.filter((row) => row.network_id === network);
  return inside.filter((row) => bears(row, wanted, noun) && !(GONE[noun]?.states.includes(stateOf(row)) ?? false));
};
