import type { Position } from '#event-store';

/** What a stream folded to, up to an event. */
export interface KeptState {
  readonly version: number;
  readonly position: Position;
  /** Of the event of that version: where the log has another one there, this was kept of another log. */
  readonly eventId: string;
  /** As JSON has it. */
  readonly state: unknown;
}

/** What is kept, and the commands since what was kept before it. */
export interface Keeping extends KeptState {
  /** The version of what was kept before; undefined when the commands are all there are. */
  readonly from: number | undefined;
  /** Position of the last event of each. */
  readonly commands: ReadonlyMap<string, Position>;
}

/**
 * States of long streams, kept beside the log by fold. They follow from the log: losing them costs one reading of each stream.
 * One that is there stands for all that is before it, so the commands that made those events can be asked for.
 */
export interface KeptStates {
  load(stream: string, fold: string): Promise<KeptState | undefined>;
  save(stream: string, fold: string, keeping: Keeping): Promise<void>;
  /** Where a command's last event is, among those up to `version`; 'gone' when what was kept up to there is there no more. */
  positionOf(stream: string, fold: string, commandId: string, version: number): Promise<Position | 'gone' | undefined>;
}

interface Row {
  kept: KeptState;
  readonly commands: Map<string, Position>;
}

export class MemoryKeptStates implements KeptStates {
  private readonly rows = new Map<string, Row>();

  async load(stream: string, fold: string): Promise<KeptState | undefined> {
    return this.rows.get(keyOf(stream, fold))?.kept;
  }

  async save(stream: string, fold: string, { from, commands, ...kept }: Keeping): Promise<void> {
    const key = keyOf(stream, fold);
    const before = this.rows.get(key);
    if (from !== undefined && before?.kept.version !== from) return;
    // A copy, as a database would give it.
    const row = { kept: structuredClone(kept), commands: from === undefined ? new Map() : before!.commands };
    for (const [id, position] of commands) row.commands.set(id, position);
    this.rows.set(key, row);
  }

  async positionOf(stream: string, fold: string, commandId: string, version: number) {
    const row = this.rows.get(keyOf(stream, fold));
    if (row === undefined || row.kept.version < version) return 'gone';
    return row.commands.get(commandId);
  }
}

const keyOf = (stream: string, fold: string): string => `${fold}\n${stream}`;
