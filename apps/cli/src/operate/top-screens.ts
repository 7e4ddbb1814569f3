import { callTool } from '../client.js';
import { CliError } from '../errors.js';
import { near } from '../near.js';
import { instancesOf, silentOf, statusRows, type Asker } from './node-status.js';

export type Row = Readonly<Record<string, unknown>>;

export const SCREENS = ['fleet', 'clusters', 'network', 'events', 'platform'] as const;
export type Screen = (typeof SCREENS)[number];

const all = async (by: Asker, tool: string, list: string): Promise<readonly Row[]> => {
  const found: Row[] = [];
  let cursor: unknown;
  do {
    const args = { limit: 200, ...(cursor == null ? {} : { cursor }) };
    const page: Row = await callTool(by.settings, tool, args, by.how);
    found.push(...(page[list] as readonly Row[]));
    cursor = page.next_cursor;
  } while (cursor != null);
  return found;
};

const nowMs = (): number => performance.timeOrigin + performance.now();
const secondsSince = (time: unknown): number | null =>
  typeof time === 'string' ? Math.max(0, Math.round((nowMs() - Date.parse(time)) / 1_000)) : null;

const fleet = async (by: Asker): Promise<readonly Row[]> => {
  const [instances, silent] = await Promise.all([instancesOf(by), silentOf(by)]);
  const more = new Map(instances.map((one) => [one.name, one]));
  return statusRows(instances, silent).map((row) => {
    const one = more.get(row.nodename)!;
    const lastseen = row.lastseen === null ? null : Math.round(row.lastseen);
    return { ...row, lastseen, stage_seconds: secondsSince(one.state_since), agent: one.agent_version };
  });
};

const clusters = async (by: Asker): Promise<readonly Row[]> =>
  (await all(by, 'kubernetes_list_clusters', 'clusters')).map((one) => ({
    name: one.name,
    status: one.status,
    nodes: one.node_count,
    may_lose: one.fault_tolerance,
    version: one.k8s_version,
    endpoint: one.api_endpoint,
    next: one.next_action ?? one.last_error,
  }));

/** A virtual IP is in the same list: it is an address like those of the peers, and who holds it is what is asked for. */
const network = async (by: Asker): Promise<readonly Row[]> => {
  const [networks, peers, vips] = await Promise.all([
    all(by, 'system_sdwan_list_networks', 'networks'),
    all(by, 'system_sdwan_list_peers', 'peers'),
    all(by, 'system_sdwan_list_virtual_ips', 'virtual_ips'),
  ]);
  const nameOf = new Map(networks.map(({ id, name }) => [id, name]));
  const holders = new Map(peers.map(({ id, name }) => [id, name]));
  const shared = (one: Row) => ({ name: one.name, network: nameOf.get(one.network_id) ?? one.network_id });
  return [
    ...peers.map((one) => {
      const at = { address: one.host_address, endpoint: one.effective_endpoint };
      return { ...shared(one), kind: one.kind, status: one.status, ...at, behind: one.behind, holder: null };
    }),
    ...vips.map((one) => {
      const held = (one.holder_peer_ids as readonly string[]).map((id) => holders.get(id) ?? id).join(',');
      const holder = held === '' ? null : `${held} (epoch ${String(one.epoch)})`;
      return {
        ...shared(one),
        kind: 'vip',
        status: one.state,
        address: one.address,
        endpoint: null,
        behind: null,
        holder,
      };
    }),
  ];
};

const SHOWN_EVENTS = 100;

/** Newest first: what just happened is at the top, whatever the terminal's height. */
const events = async (by: Asker): Promise<readonly Row[]> => {
  const answer = await callTool(by.settings, 'recent_events', { limit: SHOWN_EVENTS }, by.how);
  return (answer.events as readonly Row[]).toReversed().map((one) => ({
    time: one.occurred_at,
    severity: one.severity,
    kind: one.kind,
    about: Object.values(one.links as Row).join(' '),
    actor: (one.actor as { readonly id: string }).id,
  }));
};

export interface Part {
  readonly name: string;
  readonly kind: string;
  readonly status: string;
  readonly lag: number | null;
  readonly fault?: string;
}
export interface Health {
  readonly status: string;
  readonly version: string;
  readonly uptime_seconds: number;
  readonly role: string;
  readonly event_store: { readonly adapter: string; readonly events?: number };
  readonly parts: readonly Part[];
  readonly problems: readonly string[];
}

/** What has to be looked at first. */
const parts = ({ parts: found }: Health): readonly Row[] =>
  found
    .map(({ name, kind, status, lag, fault }) => ({ name, kind, status, lag, fault: fault ?? null }))
    .toSorted((a, b) => (b.fault === null ? 0 : 1) - (a.fault === null ? 0 : 1) || (b.lag ?? 0) - (a.lag ?? 0));

export interface Look {
  /** Absent where the token may not see it. */
  readonly health: Health | undefined;
  readonly rows: readonly Row[];
}

const healthOf = async (by: Asker): Promise<Health | undefined> => {
  try {
    return (await callTool(by.settings, 'platform_health', {}, by.how)) as unknown as Health;
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 4) return undefined;
    throw error;
  }
};

const ROWS: Readonly<Record<Exclude<Screen, 'platform'>, (by: Asker) => Promise<readonly Row[]>>> = {
  fleet,
  clusters,
  network,
  events,
};

export const look = async (by: Asker, screen: Screen): Promise<Look> => {
  if (screen === 'platform') {
    const health = (await callTool(by.settings, 'platform_health', {}, by.how)) as unknown as Health;
    return { health, rows: parts(health) };
  }
  const [health, rows] = await Promise.all([healthOf(by), ROWS[screen](by)]);
  return { health, rows };
};

const compare = (a: unknown, b: unknown): number => {
  // What is not known comes last, either way round.
  if (a == null || b == null) return 0;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
};

export interface Order {
  readonly column: string;
  readonly descending: boolean;
}

export const columnsOf = (rows: readonly Row[]): readonly string[] => [
  ...new Set(rows.flatMap((row) => Object.keys(row))),
];

/** Throws for a column that there is not; an empty list has none to be wrong about. */
export const ordered = (rows: readonly Row[], order: Order | undefined): readonly Row[] => {
  if (order === undefined || rows.length === 0) return rows;
  const known = columnsOf(rows);
  if (!known.includes(order.column)) {
    const why = `the columns are ${known.join(', ')}`;
    throw new CliError(`--sort ${order.column}`, why, undefined, 2, undefined, near(order.column, known));
  }
  const { column, descending } = order;
  const isUnknown = (row: Row): number => (row[column] == null ? 1 : 0);
  return rows.toSorted((a, b) => isUnknown(a) - isUnknown(b) || (descending ? -1 : 1) * compare(a[column], b[column]));
};

export const filtered = (rows: readonly Row[], text: string | undefined): readonly Row[] =>
  text === undefined
    ? rows
    : rows.filter((row) =>
        Object.values(row).some((value) =>
          String(value ?? '')
            .toLowerCase()
            .includes(text.toLowerCase()),
        ),
      );
