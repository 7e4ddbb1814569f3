import { CliError } from './errors.js';

export type Row = Readonly<Record<string, unknown>>;

/** What lists leave out unless they are asked for it. */
const GONE: Readonly<Record<string, { readonly flag: string; readonly states: readonly string[] }>> = {
  instance: { flag: 'include_gone', states: ['terminated', 'forgotten'] },
  cluster: { flag: 'include_decommissioned', states: ['decommissioned'] },
  peer: { flag: 'include_removed', states: ['removed'] },
  vip: { flag: 'include_released', states: ['released'] },
  firewall: { flag: '', states: ['deleted'] },
};

/** Filters of lists that are fields of what they list, by the field. */
const FIELDS: Readonly<Record<string, string>> = {
  state: 'state',
  status: 'status',
  node_id: 'node_id',
  network_id: 'network_id',
  node_template_id: 'template_id',
  template_id: 'template_id',
};

const stateOf = (row: Row): string => String(row.state ?? row.status ?? '');

const bears = (row: Row, wanted: string): boolean =>
  [row.id, row.name, row.hostname, row.slug, row.handle, row.address, row.purpose].includes(wanted);

/** An id, or the name of one of these. */
const idOf = (wanted: unknown, things: readonly Row[] | undefined): unknown =>
  things?.find((row) => row.id === wanted)?.id ?? things?.find((row) => bears(row, String(wanted)))?.id ?? wanted;

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
  const { limit, ...rest } = args;
  const gone = GONE[noun];
  let found = rows;
  for (const [name, value] of Object.entries(rest)) {
    const field = FIELDS[name];
    if (name === gone?.flag) continue;
    if (field === undefined)
      throw new CliError(`--at with ${name}`, 'a list of the past cannot be cut by that', 'leave it out', 2);
    const wanted = idOf(value, others[field === 'template_id' ? 'node_template_id' : name]);
    found = found.filter((row) => row[field] === wanted);
  }
  const asked = args.state ?? args.status;
  const isHidden = (row: Row) => gone?.states.includes(stateOf(row)) === true && stateOf(row) !== asked;
  if (gone !== undefined && args[gone.flag] !== true) found = found.filter((row) => !isHidden(row));
  return typeof limit === 'number' ? found.slice(0, limit) : found;
};

/** What a get would have found: by id, else by name; what was gone by then only by its id. */
export const named = (rows: readonly Row[], noun: string, args: Row): readonly Row[] => {
  const wanted = String(Object.values(args)[0] ?? '');
  const byId = rows.filter((row) => row.id === wanted);
  if (byId.length > 0) return byId;
  const network = args.network_id;
  const inside = network === undefined ? rows : rows.filter((row) => row.network_id === network);
  return inside.filter((row) => bears(row, wanted) && !(GONE[noun]?.states.includes(stateOf(row)) ?? false));
};
