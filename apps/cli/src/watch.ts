import type { Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { eventMessages, StreamBroken } from './event-source.js';
import { render, shownAs, subjectOf } from './output/format.js';
import { pause } from './pause.js';
import { changes, idOf, markChanged, type Row } from './watch-changes.js';

/** Events come in bursts, and lists show them a moment later. */
const SETTLE_MS = 200;
/** Once more, for what was slower than that. */
const AGAIN_MS = 1_500;
const RECONNECT_MS = 1_000;

/**
 * `--watch`: a terminal gets the list drawn anew with what changed marked, a pipe one line a change, each with the cursor behind
 * which `--after` goes on. The platform's event stream says when to look.
 */
export const watchTool = async (cli: Cli, tool: Tool, args: Row, after: string | undefined): Promise<number> => {
  if (!cli.terminal && !['table', 'json', 'ndjson'].includes(shownAs(cli.settings).format.kind))
    throw new CliError('--watch on a pipe', 'changes come one JSON object a line', 'leave -o out', 2);
  const watch = new Watch(cli, tool, args, after);
  return watch.run();
};

class Watch {
  private cursor: string | undefined;
  private rows: ReadonlyMap<string, Row> | undefined;
  private readonly touched = new Set<string>();
  private wake: () => void = () => undefined;

  constructor(
    private readonly cli: Cli,
    private readonly tool: Tool,
    private readonly args: Row,
    after: string | undefined,
  ) {
    this.cursor = after;
  }

  async run(): Promise<number> {
    const { end } = this.cli;
    const resumed = this.cursor !== undefined;
    const following = this.follow();
    // Whatever ends the stream for good ends the watch, also while it waits for something to happen.
    let broken: unknown;
    following.catch((error: unknown) => {
      broken = error;
      this.wake();
    });
    if (!resumed) await this.look(true);
    while (!end.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        end.addEventListener('abort', () => resolve(), { once: true });
        if (this.touched.size > 0 || broken !== undefined || end.aborted) resolve();
      });
      if (broken !== undefined) throw broken;
      if (end.aborted) break;
      const touched = new Set<string>();
      for (const ms of [SETTLE_MS, AGAIN_MS]) {
        await pause(ms, end);
        // Who has ended it waits for no further answer.
        if (end.aborted) break;
        for (const id of this.touched) touched.add(id);
        this.touched.clear();
        await this.look(false, touched);
      }
    }
    if (this.cursor !== undefined) this.cli.progress(`go on with --watch --after ${this.cursor}`);
    return 130;
  }

  /** Connection after connection, each behind the last event. */
  private async follow(): Promise<void> {
    const { settings, end, progress } = this.cli;
    for (let opened = false; !end.aborted;) {
      try {
        const query = this.cursor === undefined ? '?from=now' : '';
        for await (const message of eventMessages(settings, query, this.cursor, end, () => (opened = true))) {
          if (message.event === 'message') this.notice(message.data);
          if (message.id !== undefined) this.cursor = message.id;
        }
      } catch (error) {
        if (end.aborted) return;
        if (!(error instanceof StreamBroken)) throw error;
        if (!opened) throw new CliError(`the platform at ${settings.url} does not answer`, error.message, undefined, 3);
        progress(`the connection ended: ${error.message}; going on behind the last event`);
        await pause(RECONNECT_MS, end);
      }
    }
  }

  private notice(data: string): void {
    const event = JSON.parse(data) as { readonly stream?: string; readonly links?: Readonly<Record<string, string>> };
    for (const id of [event.stream, ...Object.values(event.links ?? {})]) if (id !== undefined) this.touched.add(id);
    this.wake();
  }

  private async look(isFirst: boolean, touched: ReadonlySet<string> = new Set()): Promise<void> {
    const at = this.cursor;
    const data = await callTool(this.cli.settings, this.tool.name, this.args);
    const list = subjectOf(data)?.rows ?? [];
    const rows = new Map(list.map((row) => [idOf(row), row]));
    const found = changes(this.rows, rows, touched);
    if (this.cli.terminal) await this.draw(data);
    else
      for (const { change, id, row } of found)
        if (this.rows !== undefined || isFirst || change !== 'listed')
          await this.cli.out(JSON.stringify({ change, id, object: row ?? null, cursor: at ?? null }));
    this.rows = rows;
  }

  private async draw(data: Row): Promise<void> {
    const text = await render(data, shownAs(this.cli.settings), this.tool.cli?.[0]);
    const lines = text.split('\n');
    const marked = markChanged(this.drawn, lines);
    this.drawn = lines;
    await this.cli.out(`\x1b[2J\x1b[H${marked.join('\n')}`);
  }
  private drawn: readonly string[] = [];
}
