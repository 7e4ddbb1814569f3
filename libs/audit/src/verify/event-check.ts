import { CHAIN_GENESIS, chainEntry, chainStep, contentHash } from '#kernel';
import type { StoredLog } from '../log/stored-log.js';
import { leafHash, merkleRoot } from '../proof/merkle.js';
import type { SealStore } from '../seals/seal-store.js';
import type { Finding, SealedRange } from './findings.js';
import { locate } from './locate.js';

export interface EventsReport {
  readonly findings: readonly Finding[];
  /** Events that were looked at and are as they were written. */
  readonly events: number;
  /** The last one of them. */
  readonly through: bigint;
  /** Hex; of the log up to `through`. */
  readonly chain: string;
  /** False when there are more events and it was asked to stop. */
  readonly complete: boolean;
}

export interface EventCheckRequest {
  readonly ranges: readonly SealedRange[];
  /** Go on after this position; what lies before was checked by an earlier call. */
  readonly after: bigint;
  /** Stop at the end of a seal's range once this many events were checked. */
  readonly maxEvents: number;
  /** Told of every stretch that was found intact. */
  readonly progress?: (events: number) => void;
}

/** Holds the stored events against what seals say of them, and against each other. */
export interface EventCheck {
  run(request: EventCheckRequest): Promise<EventsReport>;
}

const READ = 500;

/** For stores that keep no chain: recomputed from canonical envelopes and compared at every seal. What no seal covers cannot be judged. */
export class PortEventCheck implements EventCheck {
  constructor(
    private readonly log: StoredLog,
    private readonly store: Pick<SealStore, 'evidence'>,
  ) {}

  async run({ ranges, after, maxEvents, progress }: EventCheckRequest): Promise<EventsReport> {
    let events = 0;
    const first = ranges.findIndex((range) => range.to > after);
    const from = first < 0 ? ranges.length : first;
    let state = { at: ranges[from - 1]?.to ?? 0n, chain: startOf(ranges[from - 1]) };
    const report = (findings: readonly Finding[], complete: boolean): EventsReport => ({
      ...{ findings, events, complete, through: state.at },
      chain: Buffer.from(state.chain).toString('hex'),
    });
    for (const range of ranges.slice(from)) {
      if (events >= maxEvents) return report([], false);
      // Between two seals that can be trusted there may be one that cannot: its events are passed over.
      if (range.after > state.at) state = { at: range.after, chain: (await this.walk(state, range.after)).chain };
      const walked = await this.walk(state, range.to);
      if (walked.events !== range.events || walked.root !== range.root)
        return report([await this.finding(range)], true);
      state = { at: range.to, chain: Buffer.from(range.chain, 'hex') };
      events += walked.events;
      progress?.(walked.events);
    }
    const rest = await this.walk(state);
    state = { at: rest.at, chain: rest.chain };
    events += rest.events;
    return report([], true);
  }

  private async walk(from: { readonly at: bigint; readonly chain: Uint8Array }, through?: bigint) {
    let { at, chain } = from;
    const leaves: Buffer[] = [];
    let count = 0;
    for (;;) {
      const events = await this.log.read(at, READ, through);
      if (events.length === 0) break;
      count += events.length;
      for (const { position, recordedAt, envelope } of events) {
        const content = contentHash(envelope);
        chain = chainStep(chain, position, recordedAt, content);
        // Nobody compares a root with what no seal covers.
        if (through !== undefined) leaves.push(leafHash(chainEntry(position, recordedAt, content)));
        at = position;
      }
    }
    return { at, chain, events: count, root: Buffer.from(merkleRoot(leaves)).toString('hex') };
  }

  private async finding(range: SealedRange): Promise<Finding> {
    const found = await locate(this.log, this.store, range);
    const where = found ?? { position: range.after + 1n, exact: false };
    return { kind: 'event', position: where.position, reason: sealMismatch(range, where.exact) };
  }
}

const startOf = (range: SealedRange | undefined): Uint8Array =>
  range === undefined ? CHAIN_GENESIS : Buffer.from(range.chain, 'hex');

export const sealMismatch = ({ seq, after, to }: SealedRange, exact: boolean): string =>
  exact
    ? `it is not the event that seal ${seq} was made over`
    : `the events ${after + 1n} to ${to} are not those that seal ${seq} was made over, and the hashes that would tell which one are altered too`;
