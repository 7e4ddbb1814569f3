import type { StoredLog } from '../log/stored-log.js';
import { AUDIT_SOURCE, cloudEvent, type CloudEvent } from '../proof/cloud-event.js';
import type { KeyRecord } from '../proof/keys.js';
import { restOf } from '../proof/merkle.js';
import type { Seal } from '../proof/seal.js';
import type { SealRow, SealStore } from '../seals/seal-store.js';
import { sealedLeaves, UnprovableError } from './range.js';

export interface ExportRequest {
  /** Only this account's events; all without it. */
  readonly account: string | undefined;
  readonly after: bigint;
  /** About how many lines a page may have. */
  readonly limit: number;
}

export interface ExportPage {
  readonly lines: readonly CloudEvent[];
  /** Where the next page begins. */
  readonly through: bigint;
  /** The log has been exported to its end; the keys stand in this page. */
  readonly complete: boolean;
}

const READ = 500;
const PAGE_BYTES = 4 * 1024 * 1024;
/** How much of the log one page may walk over, when little of it is the account's. */
const PAGE_EVENTS = 20_000;

/**
 * The log as CloudEvents, page by page. After the last event of each seal's range comes the seal, with what is needed to check it:
 * nothing more when every event was exported, else which leaves are one's own and the hashes of the rest. The keys come last.
 */
export class Exporter {
  constructor(
    private readonly log: StoredLog,
    private readonly store: SealStore,
  ) {}

  /** Throws UnprovableError where the log is not what was sealed. */
  async page({ account, after, limit }: ExportRequest): Promise<ExportPage> {
    const lines: CloudEvent[] = [];
    let [through, bytes, seen] = [after, 0, 0];
    while (lines.length < limit && bytes < PAGE_BYTES && seen < PAGE_EVENTS) {
      const row = await this.store.sealCovering(through + 1n);
      const events = await this.log.read(through, Math.min(READ, limit - lines.length), row?.to);
      if (events.length === 0) {
        if (row !== undefined) throw lacking(row, through);
        lines.push(...(await this.store.keys()).map(keyLine));
        return { lines, through, complete: true };
      }
      const own = events.filter((event) => account === undefined || event.account === account);
      lines.push(...own.map(cloudEvent));
      bytes += own.reduce((sum, { envelope }) => sum + envelope.length, 0);
      seen += events.length;
      through = events.at(-1)!.position;
      if (row !== undefined && row.to === through) lines.push(...(await this.sealLines(row, account)));
    }
    return { lines, through, complete: false };
  }

  private async sealLines(row: SealRow, account: string | undefined): Promise<CloudEvent[]> {
    const { seal, leaves, own } = await sealedLeaves(this.log, row, (event) => event.account === account);
    if (account === undefined) return [sealLine(seal)];
    // A range without an event of the account is nothing to it.
    if (own.length === 0) return [];
    const rest = restOf(leaves, new Set(own)).map((hash) => Buffer.from(hash).toString('hex'));
    return [sealLine(seal, { own: [...own], rest })];
  }
}

/** A log that ends before its seals do was cut, or has a hole there. */
const lacking = ({ seq, to }: SealRow, through: bigint): UnprovableError =>
  new UnprovableError(
    `the log has no event after ${through}, but seal ${seq} covers it up to event ${to}; run verify_audit`,
  );

export const SEAL_TYPE = 'drover.audit.seal';
export const KEY_TYPE = 'drover.audit.key';

const auditLine = (id: string, type: string, time: string, data: object): CloudEvent => ({
  ...{ specversion: '1.0', id, source: AUDIT_SOURCE, type, time, datacontenttype: 'application/json', data },
});

const sealLine = (seal: Seal, part: object = {}): CloudEvent =>
  auditLine(`seal-${seal.seq}`, SEAL_TYPE, seal.sealed_at, { seal, ...part });

const keyLine = (record: KeyRecord): CloudEvent => auditLine(`key-${record.seq}`, KEY_TYPE, record.created_at, record);
