import type { Cli } from '../cli.js';
import { callTool } from '../client.js';
import type { FleetDocument } from './schema.js';

export type Thing = Readonly<Record<string, unknown>>;

/** The fleet as the platform shows it, by the keys of fleet files. */
export interface Live {
  readonly things: ReadonlyMap<string, Thing>;
  /** Of a template that is named by id or name. */
  templateId(wanted: string): string | undefined;
}

const all = async (cli: Cli, tool: string, list: string): Promise<readonly Thing[]> => {
  const found: Thing[] = [];
  let cursor: unknown;
  do {
    const page: Thing = await callTool(cli.settings, tool, { limit: 200, ...(cursor == null ? {} : { cursor }) });
    found.push(...(page[list] as readonly Thing[]));
    cursor = page.next_cursor;
  } while (cursor != null);
  return found;
};

/** Only what the files speak of, and what was made earlier, is asked for. */
export const readLive = async (cli: Cli, kinds: ReadonlySet<FleetDocument['kind']>): Promise<Live> => {
  const ask = (kind: FleetDocument['kind'], tool: string, list: string) =>
    kinds.has(kind) ? all(cli, tool, list) : [];
  const inNetwork = ['Network', 'Peer', 'FirewallRule', 'Grant'].some((kind) => kinds.has(kind as 'Peer'));
  const networks = inNetwork ? await all(cli, 'system_sdwan_list_networks', 'networks') : [];
  const templates =
    kinds.has('Template') || kinds.has('Node') ? await all(cli, 'system_list_templates', 'templates') : [];
  const nodes = await ask('Node', 'system_list_nodes', 'nodes');
  const peers = await ask('Peer', 'system_sdwan_list_peers', 'peers');
  const rules = await ask('FirewallRule', 'system_sdwan_list_firewall_rules', 'firewall_rules');
  const grants = await ask('Grant', 'system_sdwan_list_access_grants', 'grants');
  const nameOf = new Map(networks.map((one) => [one.id, String(one.name)]));
  const inside = (kind: string, one: Thing): [string, Thing][] =>
    [one.network_id, nameOf.get(one.network_id)].map((network) => [
      `${kind} ${String(network)}/${String(one.name)}`,
      one,
    ]);
  const alive = (one: Thing) => one.status !== 'removed';
  return {
    things: new Map([
      ...networks.map((one): [string, Thing] => [`Network ${String(one.name)}`, one]),
      ...templates.map((one): [string, Thing] => [`Template ${String(one.name)}`, one]),
      ...nodes.map((one): [string, Thing] => [`Node ${String(one.hostname)}`, one]),
      ...peers.filter((one) => one.kind === 'node' && alive(one)).flatMap((one) => inside('Peer', one)),
      ...rules.flatMap((one) => inside('FirewallRule', one)),
      // A grant is made once: one that was used up or revoked is not made anew behind anybody's back.
      ...grants.flatMap((one) => inside('Grant', one)),
    ]),
    templateId: (wanted) => templates.find((one) => one.id === wanted || one.name === wanted)?.id as string | undefined,
  };
};
