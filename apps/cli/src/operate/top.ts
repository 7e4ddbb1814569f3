import type { Cli } from '../cli.js';
import { CliError } from '../errors.js';
import { table } from '../output.js';
import { render, shownAs } from '../output/format.js';
import { pause } from '../pause.js';
import { markChanged } from '../watch-changes.js';
import { keys, type Keys } from './top-keys.js';
import { topFlags, type TopFlags } from './top-flags.js';
import type { Asker } from './node-status.js';
import { columnsOf, filtered, look, ordered, SCREENS, type Health, type Look, type Row } from './top-screens.js';

const headOf = ({
  status,
  role,
  version,
  uptime_seconds: up,
  event_store,
  parts,
  problems,
}: Health): readonly string[] => {
  const behind = parts.filter((part) => part.status !== 'live' || (part.lag ?? 1) > 0 || part.fault !== undefined);
  const worst = Math.max(0, ...parts.map(({ lag }) => lag ?? 0));
  const { adapter, events } = event_store;
  const count = events === undefined ? '' : `, ${events} events`;
  return [
    `platform ${status}, ${role}, ${version}, up ${Math.floor(up / 60)} min; ${adapter}${count}; ` +
      `${parts.length} parts, largest lag ${worst}${behind.length === 0 ? ', none behind' : `, ${behind.length} behind`}`,
    ...problems.map((problem) => `problem: ${problem}`),
  ];
};

/** How many are in which state, whatever a screen calls that. */
const counted = (rows: readonly Row[]): string => {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const state = String(row.stage ?? row.status ?? row.severity ?? '').toLowerCase();
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, n]) => `${n} ${state}`).join(', ') || 'nothing';
};

const wanted = ({ rows }: Look, { order, filter }: TopFlags): readonly Row[] => filtered(ordered(rows, order), filter);

const FRAME_LINES = 7;

const frame = (seen: Look, flags: TopFlags, height: number): string[] => {
  const rows = wanted(seen, flags);
  const { order, filter, screen, everyMs } = flags;
  const sorted = order === undefined ? '' : `, by ${order.column}${order.descending ? ', largest first' : ''}`;
  const narrowed = filter === undefined ? '' : `, only ${filter} (${rows.length} of ${seen.rows.length})`;
  const room = Math.max(5, height - FRAME_LINES - (seen.health?.problems.length ?? 0));
  const left = rows.length - room;
  return [
    ...(seen.health === undefined ? [] : headOf(seen.health)),
    `${SCREENS.map((one, i) => (one === screen ? `[${i + 1} ${one}]` : ` ${i + 1} ${one} `)).join(' ')}   ${counted(rows)}${sorted}${narrowed}; every ${everyMs / 1_000} s`,
    '',
    ...(rows.length === 0 ? ['none'] : table(rows.slice(0, room)).split('\n')),
    ...(left > 0 ? [`and ${left} more: --filter, --sort, or drover top ${screen} on a pipe`] : []),
  ];
};

const LISTS: Readonly<Record<TopFlags['screen'], string>> = {
  fleet: 'nodes',
  clusters: 'clusters',
  network: 'peers',
  events: 'events',
  platform: 'parts',
};

/** One table and nothing else: whoever pipes it cuts columns. */
const once = async (cli: Cli, flags: TopFlags): Promise<number> => {
  const seen = await look(cli, flags.screen);
  const rows = wanted(seen, flags);
  const shown = shownAs(cli.settings);
  const list = { [LISTS[flags.screen]]: rows };
  const data =
    shown.format.kind === 'json' || shown.format.kind === 'yaml' ? { ...list, health: seen.health ?? null } : list;
  const isTable = shown.format.kind === 'table' && shown.fields === undefined && rows.length > 0;
  await cli.out(isTable ? table(rows, Infinity, { headers: shown.headers, wide: true }) : await render(data, shown));
  return 0;
};

const HELP = '1-5 screen   s sort by the next column   r reverse   space hold   q end';

/** What a key does to what is shown. */
export const pressed = (flags: TopFlags, key: string, rows: readonly Row[]): TopFlags => {
  const screen = SCREENS[Number(key) - 1];
  const { order, everyMs, filter } = flags;
  const plain = { screen: flags.screen, everyMs, ...(filter === undefined ? {} : { filter }) };
  if (screen !== undefined) return screen === flags.screen ? flags : { ...plain, screen };
  if (key === 'r' && order !== undefined) return { ...flags, order: { ...order, descending: !order.descending } };
  if (key !== 's') return flags;
  const names = columnsOf(rows);
  const column = names[(order === undefined ? -1 : names.indexOf(order.column)) + 1];
  return column === undefined ? plain : { ...plain, order: { column, descending: false } };
};

interface Shown {
  readonly seen: Look | undefined;
  readonly trouble: string | undefined;
}

/** A platform that is away for a moment ends nothing: what was seen last stays, and that it is old is said. */
const lookAgain = async (by: Asker, flags: TopFlags, before: Look | undefined): Promise<Shown> => {
  try {
    return { seen: await look(by, flags.screen), trouble: undefined };
  } catch (error) {
    if (by.how?.signal?.aborted === true) return { seen: before, trouble: undefined };
    if (!(error instanceof CliError) || error.exitCode !== 3 || before === undefined) throw error;
    return { seen: before, trouble: `${error.message} (${error.why}): this is how it was` };
  }
};

/** undefined: no key came in time, or it is over. */
const keyOrTime = async (hands: Keys, ms: number, end: AbortSignal): Promise<string | undefined> => {
  const over = new AbortController();
  try {
    return (await Promise.race([hands.next(), pause(ms, AbortSignal.any([end, over.signal]))])) ?? undefined;
  } finally {
    over.abort();
  }
};

const draw = async (cli: Cli, hands: Keys, first: TopFlags): Promise<number> => {
  // What is asked ends with it: a platform that does not answer keeps nobody here.
  const over = AbortSignal.any([cli.end, hands.quit]);
  const code = (): number => (hands.quit.aborted ? 0 : 130);
  const by: Asker = { settings: cli.settings, how: { signal: over } };
  let flags = first;
  let [seen, trouble]: [Look | undefined, string | undefined] = [undefined, undefined];
  let before: readonly string[] = [];
  let held = false;
  for (;;) {
    if (!held) ({ seen, trouble } = await lookAgain(by, flags, seen));
    if (over.aborted) return code();
    const lines = frame(seen!, flags, process.stdout.rows || 40);
    const foot = [
      ...(trouble === undefined ? [] : [trouble]),
      `${held ? 'held; ' : ''}${hands.there ? HELP : 'Ctrl-C ends'}`,
    ];
    await cli.out(`\x1b[2J\x1b[H${markChanged(before, lines).join('\n')}\n\n${foot.join('\n')}`);
    before = lines;
    const key = await keyOrTime(hands, flags.everyMs, over);
    if (over.aborted) return code();
    if (key === ' ') held = !held;
    const next = key === undefined ? flags : pressed(flags, key, seen!.rows);
    if (next.screen !== flags.screen) [before, held] = [[], false];
    flags = next;
  }
};

/** `drover top [SCREEN]`: drawn anew on a terminal, one table on a pipe. */
export const runTop = async (cli: Cli, words: readonly string[]): Promise<number> => {
  const flags = topFlags(words);
  const { format } = shownAs(cli.settings);
  if (!cli.terminal || format.kind !== 'table') return once(cli, flags);
  // Whoever looks at it is told of signals from then on, instead of being ended by them with a terminal that stays raw.
  const { end } = cli;
  const hands = keys();
  try {
    return end.aborted ? 130 : await draw(cli, hands, flags);
  } finally {
    hands.stop();
  }
};
