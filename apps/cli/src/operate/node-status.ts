import type { Cli } from '../cli.js';
import { callTool, type How } from '../client.js';
import { render, shownAs } from '../output/format.js';
import type { Settings } from '../settings.js';

interface Module {
  readonly module_name: string;
  readonly status: string;
  readonly since: string;
}
export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly state_since: string;
  readonly enrolled: boolean;
  readonly agent_version: string | null;
  readonly modules: readonly Module[];
}

const sentTo = ({ enrolled, modules, agent_version }: Instance): string => {
  if (!enrolled) return 'join command';
  const last = modules.toSorted((a, b) => (a.since < b.since ? -1 : 1)).at(-1);
  if (last !== undefined) return `${last.module_name} (${last.status})`;
  return agent_version === null ? 'certificate' : `agent ${agent_version}`;
};

/**
 * What Warewulf's `wwctl node status` shows. There STAGE is the last thing that was sent, and who never answered looks like who did; here it
 * is the state of the machine, and LASTSEEN is "--" until it has been heard at all.
 */
export const statusRows = (instances: readonly Instance[], silent: ReadonlyMap<string, number>) =>
  instances
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => ({
      nodename: one.name,
      stage: one.state.toUpperCase(),
      sent: sentTo(one),
      lastseen: one.enrolled ? (silent.get(one.id) ?? 0) : null,
    }));

export const statusText = (rows: ReturnType<typeof statusRows>): string => {
  const width = Math.max(20, ...rows.map(({ nodename }) => nodename.length));
  const sentWidth = Math.max(25, ...rows.map(({ sent }) => sent.length));
  const line = (name: string, stage: string, sent: string, seen: string) =>
    `${name.padEnd(width)} ${stage.padEnd(20)} ${sent.padEnd(sentWidth)} ${seen}`.trimEnd();
  const head = line('NODENAME', 'STAGE', 'SENT', 'LASTSEEN (s)');
  const lines = rows.map(({ nodename, stage, sent, lastseen }) =>
    line(nodename, stage, sent, lastseen === null ? '--' : String(Math.round(lastseen))),
  );
  return [head, '='.repeat(head.length), ...lines].join('\n');
};

/** Who asks, and until when. */
export interface Asker {
  readonly settings: Settings;
  readonly how?: How;
}

export const instancesOf = async (by: Asker): Promise<readonly Instance[]> => {
  const found: Instance[] = [];
  let cursor: unknown;
  do {
    const args = { limit: 200, ...(cursor == null ? {} : { cursor }) };
    const page: Readonly<Record<string, unknown>> = await callTool(by.settings, 'system_list_instances', args, by.how);
    found.push(...(page.instances as readonly Instance[]));
    cursor = page.next_cursor;
  } while (cursor != null);
  return found;
};

export const silentOf = async (by: Asker): Promise<ReadonlyMap<string, number>> => {
  const args = { threshold_seconds: 1 };
  const { instances } = await callTool(by.settings, 'system_get_silent_instances', args, by.how);
  return new Map((instances as { id: string; silent_seconds: number }[]).map((one) => [one.id, one.silent_seconds]));
};

/** `drover node status`. */
export const runNodeStatus = async (cli: Cli): Promise<number> => {
  const shown = shownAs(cli.settings);
  const rows = statusRows(await instancesOf(cli), await silentOf(cli));
  await cli.out(shown.asked ? await render({ nodes: rows }, shown, 'node') : statusText(rows));
  return 0;
};
