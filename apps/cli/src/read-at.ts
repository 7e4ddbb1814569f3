import { durationMs } from './call-flags.js';
import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { pastOf, refuseAt, type Past } from './read-at-kinds.js';
import { firstOf, matching, named, type Row } from './read-at-filter.js';

const MOST = 5_000;
const AGO = /^((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)(?: ago)?$/;

/** A moment, or how long ago it was: 10m, 1h30m, 2d. */
export const momentOf = (text: string, nowMs: number): string => {
  const ago = AGO.exec(text)?.[1];
  if (ago === undefined) return text;
  const inHours = ago.replaceAll(/(\d+(?:\.\d+)?)d/g, (_all, days: string) => `${Number(days) * 24}h`);
  return new Date(nowMs - durationMs(inHours, '--at')).toISOString();
};

const nowMs = (): number => performance.timeOrigin + performance.now();

/** Tools that know the past themselves take a moment; people say how long ago it was. */
export const momentsIn = (tool: Tool | undefined, args: Row): Row => {
  const isMoment = (name: string) => ['at', 'time'].includes(name) && tool?.danger === 'read';
  const read = ([name, value]: [string, unknown]): [string, unknown] => [
    name,
    isMoment(name) && typeof value === 'string' ? momentOf(value, nowMs()) : value,
  ];
  return Object.fromEntries(Object.entries(args).map(read));
};

/** `--at TIME`: what a reading command would have answered at that time, made from the log, in the words of today's. */
export const readAt = async (cli: Cli, tool: Tool | undefined, args: Row, text: string): Promise<Row> => {
  const time = momentOf(text, nowMs());
  // The story as it could be told then.
  if (tool?.name === 'explain' && args.to === undefined)
    return callTool(cli.settings, 'explain', { ...args, to: time });
  if (tool?.name === 'recent_events') return eventsUntil(cli, args, time);
  const past = pastOf(tool);
  if (past === undefined) throw refuseAt(tool);
  return new PastRead(cli, tool!, canonical(tool!, args), past, time).answer();
};

/** The newest events of then. Up to the moment itself: the position that is answered is that of the last event which says how the fleet was. */
const eventsUntil = async (cli: Cli, args: Row, time: string): Promise<Row> => {
  const { as_of } = await callTool(cli.settings, 'fleet_state_at', { time, kinds: ['templates'], limit: 1 });
  const until = (as_of as Row).time;
  const { events } = await callTool(cli.settings, 'recent_events', { ...args, until });
  return { events, as_of: until };
};

class PastRead {
  constructor(
    private readonly cli: Cli,
    private readonly tool: Tool,
    /** Under the names that the tool has for them. */
    private readonly asked: Row,
    private readonly past: Past,
    private readonly time: string,
  ) {}

  async answer(): Promise<Row> {
    const { asked, past } = this;
    const [noun, verb] = this.tool.cli!;
    const kinds = [past.kind, 'networks', 'templates'];
    if ('node_id' in asked) kinds.push('nodes');
    if ('cluster_id' in asked) kinds.push('clusters');
    const data = await callTool(this.cli.settings, 'fleet_state_at', {
      time: this.time,
      kinds: [...new Set(kinds)],
      views: true,
      limit: MOST,
    });
    const rows = (of: string) => ((data[of] ?? []) as readonly { readonly view: Row }[]).map(({ view }) => view);
    const asOf = { as_of: (data.as_of as Row).time };
    const total = Number((data.counts as Row)[past.kind]);
    if (total > MOST) this.cli.progress(`${total} ${past.kind} there were, the first ${MOST} are looked at`);
    const others = {
      network_id: rows('networks'),
      node_template_id: rows('templates'),
      node_id: rows('nodes'),
      cluster_id: rows('clusters'),
      operator: rows('operators'),
    };
    if (past.one === undefined)
      return { ...firstOf(past.list(matching(rows(past.kind), noun, asked, others)), asked.limit), ...asOf };
    const subject = this.tool.input_schema.required?.[0] ?? '';
    const wanted = String(asked[subject] ?? '');
    const within = subject === 'network_id' ? undefined : asked.network_id;
    const found = this.only(named(rows(past.kind), noun, wanted, within, others.network_id), noun, wanted);
    const documents = (data[past.kind] ?? []) as readonly { readonly view: Row; readonly document: Row }[];
    const document = documents.find(({ view }) => view === found)?.document ?? {};
    return { ...past.one(found, verb, document), ...asOf };
  }

  private only(found: readonly Row[], noun: string, wanted: string): Row {
    if (found.length === 1) return found[0]!;
    const why = found.length === 0 ? `at ${this.time} there was none` : `${found.length} bore that name; use an id`;
    const hint = `drover ${noun} list --at ${this.time}`;
    throw new CliError(`${noun} ${wanted}`, why, hint, found.length === 0 ? 5 : 6);
  }
}

/** Each argument under the name that the tool has for it. */
const canonical = ({ aliases, input_schema: { properties = {} } }: Tool, args: Row): Row =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name in properties ? name : (aliases[name] ?? name), value]),
  );
