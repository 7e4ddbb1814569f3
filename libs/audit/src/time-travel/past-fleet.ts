import { ID_PREFIXES } from '#kernel';
import { START, type EventStore, type Position, type RecordedEvent } from '#event-store';
import { InMemoryReadModels, readSkips, type Projection } from '#processing';

/** Up to where the log is folded: everything recorded by a time, or a position. */
export type Until = { readonly timeMs: number } | { readonly position: Position };

export interface PastState {
  readonly models: InMemoryReadModels;
  /** Of the last event folded; START when there was none. */
  readonly position: Position;
  readonly lastRecordedAt: string | undefined;
  /** Events of the account up to there. */
  readonly events: number;
}

interface Frame extends PastState {
  readonly account: string;
}

const PAGE = 1_000;
/**
 * Read models are about entities, whose streams bear these names, and some kinds beside them say how far an entity has come or are what
 * a cluster leaves behind; inboxes of process managers need not be read.
 */
const BESIDE = ['instance_receipts', 'cluster_rollout', 'etcd_snapshot', 'etcd_restore', 'kubeconfig'];
const CATEGORIES: readonly string[] = [...ID_PREFIXES, ...BESIDE];
const KEPT_FRAMES = 8;
/** A state this near to a kept one is not worth keeping too. */
const FRAME_EVENTS = 500;

/**
 * The read models of one account as they were: the very folds of the projections, over the log from the nearest kept state.
 * The log is append-only and times of recording never go back, so a state that was right once stays right.
 */
export class PastFleet {
  /** Least recently used first. */
  private frames: Frame[] = [];
  private skipped = 0;

  /** `store` gives events in their current schema. */
  constructor(
    private readonly store: Pick<EventStore, 'readAll' | 'readStream'>,
    private readonly projections: readonly Projection[],
    private readonly frameEvents = FRAME_EVENTS,
  ) {}

  async at(account: string, until: Until): Promise<PastState> {
    const skips = await this.skips();
    const from = this.nearest(account, until);
    const models = from?.models.copy() ?? new InMemoryReadModels(this.projections, skips);
    let { position, lastRecordedAt, events } = from ?? { position: START, lastRecordedAt: undefined, events: 0 };
    for await (const event of this.eventsAfter(position, until)) {
      position = event.position;
      lastRecordedAt = event.recordedAt;
      if (event.meta.accountId !== account) continue;
      models.apply(event);
      events++;
    }
    const state = { models, position, lastRecordedAt, events };
    this.keep({ account, ...state }, from);
    return { ...state, models: models.copy() };
  }

  /** What operators let a read model pass, it passes here too; states from before such an order are of no use after it. */
  private async skips(): Promise<(projection: Projection) => ReadonlySet<bigint>> {
    const skips = await readSkips(this.store, this.projections);
    const skipped = this.projections.reduce((sum, projection) => sum + skips(projection).size, 0);
    if (skipped !== this.skipped) this.frames = [];
    this.skipped = skipped;
    return skips;
  }

  private async *eventsAfter(after: Position, until: Until): AsyncIterable<RecordedEvent> {
    for (let at = after; ;) {
      const batch = await this.store.readAll(at, { limit: PAGE, categories: CATEGORIES });
      for (const event of batch.events) {
        if (!within(until, event.position, event.recordedAt)) return;
        yield event;
      }
      if (batch.through <= at) return;
      at = batch.through;
    }
  }

  private nearest(account: string, until: Until): Frame | undefined {
    const usable = this.frames.filter(
      (f) => f.account === account && f.lastRecordedAt !== undefined && within(until, f.position, f.lastRecordedAt),
    );
    const best = usable.reduce<Frame | undefined>(
      (a, b) => (a === undefined || b.position > a.position ? b : a),
      undefined,
    );
    if (best !== undefined) this.frames = [...this.frames.filter((f) => f !== best), best];
    return best;
  }

  private keep(frame: Frame, from: Frame | undefined): void {
    if (frame.events - (from?.events ?? 0) < this.frameEvents) return;
    this.frames = [...this.frames, frame].slice(-KEPT_FRAMES);
  }
}

const within = (until: Until, position: Position, recordedAt: string): boolean =>
  'position' in until ? position <= until.position : Date.parse(recordedAt) <= until.timeMs;
