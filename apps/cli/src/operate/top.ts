import type { Cli } from '../cli.js';
import { callTool } from '../client.js';
import { table } from '../output.js';
import { shownAs } from '../output/format.js';
import { pause } from '../pause.js';
import { markChanged } from '../watch-changes.js';
import { instancesOf, silentOf, statusRows } from './node-status.js';

const EVERY_MS = 2_000;

interface Part {
  readonly name: string;
  readonly status: string;
  readonly lag: number | null;
  readonly fault?: string;
}
interface Health {
  readonly status: string;
  readonly version: string;
  readonly uptime_seconds: number;
  readonly role: string;
  readonly event_store: { readonly adapter: string; readonly events?: number };
  readonly parts: readonly Part[];
  readonly problems: readonly string[];
}

const look = async (cli: Cli) => {
  const [health, agents, instances, silent] = await Promise.all([
    callTool(cli.settings, 'platform_health', {}),
    callTool(cli.settings, 'list_agents', {}),
    instancesOf(cli),
    silentOf(cli),
  ]);
  const counts: Record<string, number> = {};
  for (const { state } of instances) counts[state] = (counts[state] ?? 0) + 1;
  return {
    health: health as unknown as Health,
    agents: agents.agents as readonly Readonly<Record<string, unknown>>[],
    counts,
    nodes: statusRows(instances, silent),
  };
};

const text = ({ health, agents, counts, nodes }: Awaited<ReturnType<typeof look>>, rows: number): string => {
  const behind = health.parts.filter(
    ({ status, lag, fault }) => status !== 'live' || (lag ?? 1) > 0 || fault !== undefined,
  );
  const worst = Math.max(0, ...health.parts.map(({ lag }) => lag ?? 0));
  const { adapter, events } = health.event_store;
  const head = [
    `platform ${health.status}, ${health.role}, ${health.version}, up ${Math.floor(health.uptime_seconds / 60)} min; ${adapter}${events === undefined ? '' : `, ${events} events`}`,
    `${health.parts.length} parts, largest lag ${worst}${behind.length === 0 ? ', none behind' : ''}`,
    `nodes  ${
      Object.entries(counts)
        .map(([state, n]) => `${n} ${state}`)
        .join(', ') || 'none'
    }`,
    ...health.problems.map((problem) => `problem: ${problem}`),
  ];
  const parts =
    behind.length === 0
      ? []
      : ['', table(behind.map(({ name, status, lag, fault }) => ({ name, status, lag, fault: fault ?? '' })))];
  const managers = table(agents.map(({ agent_id, status, lag, inputs }) => ({ agent_id, status, lag, inputs })));
  const shown = nodes.slice(0, Math.max(5, rows));
  const left = nodes.length - shown.length;
  const machines =
    nodes.length === 0 ? [] : ['', table(shown), ...(left > 0 ? [`and ${left} more: drover node status`] : [])];
  return [...head, ...parts, '', managers, ...machines].join('\n');
};

/** `drover top`: drawn anew every two seconds on a terminal, once on a pipe. */
export const runTop = async (cli: Cli): Promise<number> => {
  const { format } = shownAs(cli.settings);
  let before: readonly string[] = [];
  for (;;) {
    const seen = await look(cli);
    if (format.kind === 'json') return (await cli.out(JSON.stringify({ success: true, data: seen })), 0);
    if (!cli.terminal) return (await cli.out(text(seen, 1_000)), 0);
    const lines = text(seen, (process.stdout.rows ?? 40) - 25).split('\n');
    await cli.out(`\x1b[2J\x1b[H${markChanged(before, lines).join('\n')}\n\nCtrl-C ends`);
    before = lines;
    await pause(EVERY_MS, cli.end);
    if (cli.end.aborted) return 130;
  }
};
