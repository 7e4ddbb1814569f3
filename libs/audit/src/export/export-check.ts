import { z } from 'zod';
import { canonicalJson, CHAIN_GENESIS, chainEntry, chainStep, contentHash } from '#kernel';
import { AUDIT_SOURCE, hashedEvent, type CloudEvent, type HashedEvent } from '../proof/cloud-event.js';
import { keyRecordSchema, KeyHistory, parseKeyRecord, type KeyRecord } from '../proof/keys.js';
import { leafHash, merkleRoot, rootFromParts } from '../proof/merkle.js';
import { parseSeal, sealHash, sealLine, sealSchema, type Seal } from '../proof/seal.js';
import { SealChain } from '../proof/seal-chain.js';

const sealDataSchema = z.object({
  seal: sealSchema,
  own: z.array(z.number().int().min(0)).optional(),
  rest: z.array(z.string().regex(/^[0-9a-f]{64}$/)).optional(),
});

export interface ExportVerdict {
  readonly events: number;
  /** Of them, covered by a seal of the export. */
  readonly sealed: number;
  readonly seals: number;
  /** Every event of the log is there, not one account's only. */
  readonly whole: boolean;
  /** Ids of the keys, oldest first. */
  readonly keys: readonly string[];
  /** Hex chain hash of a whole export, at its end. */
  readonly chain: string | undefined;
  readonly problems: readonly { readonly line: number; readonly position?: bigint; readonly reason: string }[];
}

const MAX_PROBLEMS = 20;

/**
 * Checks an export line by line, with nothing but the export: every event against the seal over it, the seals against each other
 * and against the keys at the end. Seals from elsewhere (a copy of the platform's file) show what the export leaves out.
 */
export class ExportCheck {
  private line = 0;
  private events = 0;
  private sealed = 0;
  private partial = false;
  private last = 0n;
  private chain: Uint8Array | undefined = CHAIN_GENESIS;
  private waiting: { readonly position: bigint; readonly leaf: Buffer }[] = [];
  private readonly seals: { readonly seal: Seal; readonly line: number }[] = [];
  private readonly keys: KeyRecord[] = [];
  private readonly problems: { line: number; position?: bigint; reason: string }[] = [];

  add(text: string): void {
    this.line++;
    let event: CloudEvent;
    try {
      event = JSON.parse(text) as CloudEvent;
    } catch {
      return this.problem('it is not JSON');
    }
    if (event.source !== AUDIT_SOURCE) return this.event(event);
    const seal = sealDataSchema.safeParse(event.data);
    if (seal.success) return this.seal(seal.data.seal, seal.data.own, seal.data.rest ?? []);
    const key = keyRecordSchema.safeParse(event.data);
    if (!key.success) return this.problem('it is neither an event nor a seal nor a key');
    if (this.keys.every((known) => known.key !== key.data.key)) this.keys.push(key.data);
  }

  /** `pinned`: ids of keys from elsewhere; `outside`: the lines of a copy of the platform's file of seals. */
  finish(pinned: readonly string[] = [], outside: readonly string[] = []): ExportVerdict {
    if (!this.partial) this.sealTail(outside);
    if (this.seals.length > 0 || this.keys.length > 0 || pinned.length > 0) this.checkSeals(pinned);
    this.checkOutside(outside);
    const isWhole = !this.partial && this.events > 0;
    return {
      ...{
        events: this.events,
        sealed: this.sealed,
        seals: this.seals.length,
        whole: isWhole,
        problems: this.problems,
      },
      keys: this.keys.map(({ key }) => key),
      chain: isWhole && this.chain !== undefined ? Buffer.from(this.chain).toString('hex') : undefined,
    };
  }

  /** Seals that were made after the export may cover its end. */
  private sealTail(outside: readonly string[]): void {
    for (const seal of outside.map(parseSeal).filter((one) => one !== undefined)) {
      if (seal.seq !== (this.seals.at(-1)?.seal.seq ?? 0) + 1) continue;
      const covered = this.waiting.filter(({ position }) => position <= BigInt(seal.to));
      if (covered.length !== seal.events) return;
      if (Buffer.from(merkleRoot(covered.map(({ leaf }) => leaf))).toString('hex') !== seal.root) {
        return this.problem(`its last events are not those that seal ${seal.seq} was made over`, BigInt(seal.from));
      }
      this.sealed += covered.length;
      this.waiting = this.waiting.slice(covered.length);
      this.seals.push({ seal, line: this.line });
    }
  }

  private event(event: CloudEvent): void {
    const hashed = hashedEvent(event);
    if (hashed === undefined) return this.problem('it is not an event of an export');
    if (hashed.position <= this.last) this.problem('the events are not in order', hashed.position);
    this.events++;
    this.last = hashed.position;
    this.waiting.push({ position: hashed.position, leaf: this.hash(hashed) });
  }

  private hash({ position, recordedAt, envelope }: HashedEvent): Buffer {
    const content = contentHash(envelope);
    if (this.chain !== undefined) this.chain = chainStep(this.chain, position, recordedAt, content);
    return leafHash(chainEntry(position, recordedAt, content));
  }

  private seal(seal: Seal, own: readonly number[] | undefined, rest: readonly string[]): void {
    const [from, to] = [BigInt(seal.from), BigInt(seal.to)];
    const covered = this.waiting.filter(({ position }) => position >= from && position <= to);
    if (covered.length < this.waiting.length)
      this.problem(`seal ${seal.seq} comes too late for an event before it`, this.waiting[0]!.position);
    this.waiting = [];
    this.partial ||= own !== undefined;
    const root =
      own === undefined
        ? covered.length === seal.events && merkleRoot(covered.map(({ leaf }) => leaf))
        : own.length === covered.length &&
          ascends(own) &&
          rootFromParts(seal.events, new Map(own.map((index, i) => [index, covered[i]!.leaf])), rest.map(fromHex));
    if (root === false || root === undefined || Buffer.from(root).toString('hex') !== seal.root) {
      this.problem(
        `the events from ${seal.from} to ${seal.to} are not those that seal ${seal.seq} was made over`,
        from,
      );
    } else this.sealed += covered.length;
    this.checkChain(seal, own === undefined);
    this.seals.push({ seal, line: this.line });
  }

  private checkChain(seal: Seal, whole: boolean): void {
    if (!whole) return void (this.chain = undefined);
    const isKnown = this.chain !== undefined && (seal.seq === 1 || this.seals.length > 0);
    if (isKnown && Buffer.from(this.chain!).toString('hex') !== seal.chain) {
      this.problem(`the chain hash of seal ${seal.seq} does not follow from the events before it`, BigInt(seal.from));
    }
    this.chain = Buffer.from(seal.chain, 'hex');
  }

  private checkSeals(pinned: readonly string[]): void {
    const history = new KeyHistory(this.keys, pinned);
    if (history.problem !== undefined) this.problem(history.problem);
    const chain = new SealChain(history);
    for (const { seal, line } of this.seals) {
      // One account's export leaves seals out; each one stands for itself.
      if (this.partial || (chain.seq === 0 && seal.seq > 1)) {
        const problem = history.problemOf(seal);
        if (problem !== undefined) this.problem(problem, BigInt(seal.from), line);
      } else {
        const problem = chain.problemOf(seal);
        if (problem !== undefined) this.problem(problem, BigInt(seal.from), line);
      }
      chain.accept(seal);
    }
  }

  private checkOutside(lines: readonly string[]): void {
    const known = new Map(this.seals.map(({ seal }) => [seal.seq, seal]));
    let last = 0;
    for (const line of lines) {
      const seal = parseSeal(line);
      if (seal === undefined) {
        const key = parseKeyRecord(line);
        const same = key && this.keys.find((one) => one.seq === key.seq);
        if (key === undefined) this.problem('the file of seals has a line that is neither a seal nor a key');
        else if (same === undefined || canonicalJson(same) !== line)
          this.problem(`key ${key.seq} of the file of seals is another one`);
        continue;
      }
      if (seal.seq !== last + 1 && seal.seq !== last) this.problem(`the file of seals lacks seal ${last + 1}`);
      last = seal.seq;
      const ours = known.get(seal.seq);
      if (ours === undefined && !this.partial)
        this.problem(
          `the export lacks seal ${seal.seq} of ${seal.sealed_at}: it is older than that, or the log was cut`,
          BigInt(seal.from),
        );
      else if (ours !== undefined && sealHash(ours) !== sealHash(seal)) {
        this.problem(`seal ${seal.seq} differs from the one in the file of seals`, BigInt(seal.from));
      } else if (ours !== undefined && sealLine(ours) !== line)
        this.problem(`seal ${seal.seq} has another signature in the file of seals`);
    }
  }

  private problem(reason: string, position?: bigint, line = this.line): void {
    if (this.problems.length < MAX_PROBLEMS) {
      this.problems.push({ line, reason, ...(position === undefined ? {} : { position }) });
    }
  }
}

/** Each leaf stands for one event: of two that claim the same one, only one would be looked at. */
const ascends = (indexes: readonly number[]): boolean => indexes.every((n, i) => i === 0 || n > indexes[i - 1]!);

const fromHex = (text: string): Buffer => Buffer.from(text, 'hex');
