import { existsSync, readFileSync } from 'node:fs';
import { CliError } from './errors.js';
import { EVENT_USAGE, eventFlags, type EventFlags, type EventFormat } from './event-flags.js';
import { eventMessages, StreamBroken, type SseMessage } from './event-source.js';
import { writeWhole } from './files.js';
import { human } from './output.js';
import { pause } from './pause.js';
import { resolveSettings, type GlobalFlags, type Settings } from './settings.js';

export interface WatchCommand {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  /** After `event watch`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Resolves when the reader has taken it: a slow pipe slows the stream down, and nothing piles up here. */
  readonly out: (text: string) => Promise<void> | void;
  readonly progress: (text: string) => void;
  /** Whether a person reads the output. */
  readonly terminal: boolean;
  /** Ctrl-C. */
  readonly end: AbortSignal;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** `drover event watch`; answers the exit code. */
export const runEventWatch = async (command: WatchCommand): Promise<number> => {
  if (command.help) {
    await command.out(EVENT_USAGE);
    return 0;
  }
  const flags = eventFlags(command.words);
  const settings = resolveSettings(command.flags, command.env);
  return new Watch(command, flags, settings).run();
};

class Watch {
  private cursor: string | undefined;
  private shown = 0;
  private readonly format: EventFormat;

  constructor(
    private readonly command: WatchCommand,
    private readonly flags: EventFlags,
    private readonly settings: Settings,
  ) {
    this.format = flags.format ?? (settings.json || !command.terminal ? 'ndjson' : 'text');
    this.cursor = flags.after ?? kept(flags.cursorFile);
  }

  /** Until Ctrl-C, `--count`, or an answer after which connecting again would not help. */
  async run(): Promise<number> {
    const { end, progress } = this.command;
    let wasOpen = false;
    for (let failures = 0; !this.isOver;) {
      try {
        const opened = () => {
          if (failures > 0) progress('connected again');
          wasOpen = true;
          failures = 0;
        };
        await this.follow(opened);
      } catch (error) {
        if (this.isOver) break;
        if (!(error instanceof StreamBroken)) throw error;
        if (!wasOpen) throw notThere(this.settings, error);
        if (failures === 0) progress(`the connection ended: ${error.message}; going on behind the last event`);
        await pause(Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS), end);
      }
    }
    if (this.shown === this.flags.count) return 0;
    if (this.cursor !== undefined) progress(`go on with drover event watch --after ${this.cursor}`);
    return 130;
  }

  private get isOver(): boolean {
    return this.command.end.aborted || this.shown === this.flags.count;
  }

  private async follow(opened: () => void): Promise<void> {
    for await (const message of eventMessages(this.settings, this.query(), this.cursor, this.command.end, opened)) {
      if (message.event === 'message') await this.show(message);
      // Only now: what was not shown yet must come again.
      if (message.id !== undefined) this.keep(message.id);
      if (this.isOver) return;
    }
  }

  /** Without a word from the caller a watch begins with what happens from now on. */
  private query(): string {
    const query = new URLSearchParams(this.flags.query.map(([name, value]): [string, string] => [name, value]));
    if (!query.has('from') && this.cursor === undefined) query.set('from', 'now');
    return `?${query.toString()}`;
  }

  private async show({ id, data }: SseMessage): Promise<void> {
    const event = JSON.parse(data) as Record<string, unknown>;
    this.shown++;
    await this.command.out(
      this.format === 'ndjson' ? JSON.stringify({ ...event, cursor: id }) : human({ events: [event] }),
    );
  }

  private keep(cursor: string): void {
    this.cursor = cursor;
    const { cursorFile } = this.flags;
    if (cursorFile === undefined) return;
    const hint = `drover event watch --after ${cursor} goes on; --cursor-file FILE keeps the cursor elsewhere`;
    writeWhole({ file: cursorFile, hint }, `${cursor}\n`);
  }
}

const kept = (file: string | undefined): string | undefined => {
  if (file === undefined || !existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8').trim();
  if (/^[\w-]{1,200}$/.test(text)) return text;
  throw new CliError(
    `${file} holds no cursor`,
    'it must hold one line that an earlier watch wrote',
    'remove it to begin anew',
    2,
  );
};

const notThere = (settings: Settings, error: StreamBroken): CliError => {
  const hint = 'drover doctor; another platform: --url, DROVER_URL or drover context use';
  return new CliError(`the platform at ${settings.url} does not answer`, error.message, hint, 3);
};
