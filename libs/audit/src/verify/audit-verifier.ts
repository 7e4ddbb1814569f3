import { failpoint } from '#kernel';
import type { SealSink } from '../seals/seal-sink.js';
import type { SealStore } from '../seals/seal-store.js';
import type { EventCheck } from './event-check.js';
import { inOrder, type Finding } from './findings.js';
import { checkSeals } from './seal-check.js';

export interface AuditVerifierOptions {
  readonly store: SealStore;
  readonly events: EventCheck;
  readonly sink?: SealSink;
  /** The epoch in which this process has made its file of the seals complete and writes it (Sealer.exportsIn). */
  readonly exportsIn: () => number | undefined;
}

export interface VerifyRequest {
  /** Go on after this position, where an earlier call stopped. */
  readonly after?: bigint;
  /** Stop after about this many events, at the end of a seal's range. */
  readonly maxEvents?: number;
  readonly progress?: (events: number) => void;
}

export interface VerifyReport {
  readonly intact: boolean;
  /** Checked by this call. */
  readonly events: number;
  readonly through: bigint;
  readonly complete: boolean;
  /** Hex chain hash of the log up to `through`. */
  readonly chain: string;
  /** Whatever is not as it was written, what hurts the log itself first. */
  readonly findings: readonly Finding[];
  readonly seals: {
    readonly count: number;
    readonly sealedThrough: bigint;
    /** Id of the key that signed the last one. */
    readonly key: string | undefined;
    /** Id of each key, oldest first. */
    readonly keys: readonly string[];
    readonly inFile: number | undefined;
  };
}

/** The whole log against itself, against its seals, and those against the file outside of the database. */
export class AuditVerifier {
  constructor(private readonly options: AuditVerifierOptions) {}

  async verify(request: VerifyRequest = {}): Promise<VerifyReport> {
    const { store, sink, events, exportsIn } = this.options;
    const seals = await checkSeals(store, sink, exportsIn());
    const checked = await events.run({
      ranges: seals.ranges,
      after: request.after ?? 0n,
      maxEvents: request.maxEvents ?? Number.MAX_SAFE_INTEGER,
      ...(request.progress === undefined ? {} : { progress: request.progress }),
    });
    await failpoint('chain.verified');
    const findings = inOrder([...checked.findings, ...seals.findings]);
    return {
      intact: findings.length === 0,
      events: checked.events,
      through: checked.through,
      complete: checked.complete,
      chain: checked.chain,
      findings,
      seals: {
        count: seals.last?.seq ?? 0,
        sealedThrough: BigInt(seals.last?.to ?? 0),
        key: seals.last?.key,
        keys: seals.keys.map(({ key }) => key),
        inFile: seals.inSink,
      },
    };
  }
}
