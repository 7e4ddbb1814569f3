import { errorMessage, type Cancel, type Log, type Timers } from '#kernel';
import type { AgentLiveness } from '../ports.js';
import type { ReceiptTable, SharedReceipt } from './receipt-table.js';

type Said = Pick<AgentLiveness, 'applied' | 'problems' | 'sent'>;

const EVERY_MS = 1_000;
/** An agent may fail with a long story; what is shown of it elsewhere is its beginning. */
const MAX_PROBLEMS = 8;
const MAX_PROBLEM = 500;

/**
 * Agents' streams are with one process, and so is what they say. That one writes down once a second what has changed; the
 * others read what is new, so that their answers are the same.
 */
export class SharedReceipts {
  private readonly dirty = new Set<string>();
  /** What stands in the table, as far as this process wrote it: instance → section → text. */
  private readonly written = new Map<string, Map<string, string>>();
  private readonly others = new Map<string, Map<string, SharedReceipt>>();
  private through = 0n;
  private leads = false;
  /** What the former leader left behind is still to be put right; nothing is written before. */
  private inherits = false;
  private cancel: Cancel | undefined;
  private running = false;
  private problem = '';

  constructor(
    private readonly table: ReceiptTable,
    private readonly timers: Timers,
    private readonly log: Log,
    /** As this process, which has the streams, knows it. */
    private readonly own: (instanceId: string) => AgentLiveness,
  ) {}

  start(): void {
    this.cancel ??= this.timers.every(EVERY_MS, () => void this.turn());
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  /** Streams come here from now on, or go to another process. */
  lead(leads: boolean): void {
    this.leads = leads;
    this.dirty.clear();
    this.written.clear();
    this.others.clear();
    this.through = 0n;
    this.inherits = leads;
    if (leads) void this.turn();
  }

  /** Something was sent to it, or it has said something, or its stream has ended. */
  touch(instanceId: string): void {
    if (this.leads) this.dirty.add(instanceId);
  }

  /** What a node whose stream is elsewhere has said there. */
  of(instanceId: string): Said | undefined {
    const known = this.others.get(instanceId);
    if (known === undefined) return undefined;
    const applied = new Map<string, bigint>();
    const sent = new Map<string, bigint>();
    const problems = new Map<string, readonly string[]>();
    for (const receipt of known.values()) {
      if (receipt.applied !== null) applied.set(receipt.section, receipt.applied);
      if (receipt.sent !== null) sent.set(receipt.section, receipt.sent);
      if (receipt.problems.length > 0) problems.set(receipt.section, receipt.problems);
    }
    return { applied, problems, sent: sent.size === 0 ? undefined : sent };
  }

  private async turn(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      await (this.leads ? this.write() : this.read());
      this.problem = '';
    } catch (error) {
      this.failed(error);
    } finally {
      this.running = false;
    }
  }

  private async write(): Promise<void> {
    if (this.inherits) {
      await this.table.forgetStreams();
      this.inherits = false;
    }
    const ids = [...this.dirty];
    this.dirty.clear();
    const news = ids
      .flatMap((id) => this.receiptsOf(id))
      .filter((receipt) => this.written.get(receipt.instanceId)?.get(receipt.section) !== textOf(receipt));
    if (news.length === 0) return;
    try {
      await this.table.write(news);
    } catch (error) {
      for (const id of ids) this.dirty.add(id);
      throw error;
    }
    for (const receipt of news) {
      const known = this.written.get(receipt.instanceId) ?? new Map<string, string>();
      this.written.set(receipt.instanceId, known.set(receipt.section, textOf(receipt)));
    }
  }

  /** Of sections that the platform has named: an agent may call its own what it likes. */
  private receiptsOf(instanceId: string): SharedReceipt[] {
    const { applied, sent, problems } = this.own(instanceId);
    const sections = sent?.keys() ?? this.written.get(instanceId)?.keys() ?? [];
    return [...sections].map((section) => ({
      instanceId,
      section,
      applied: applied.get(section) ?? null,
      sent: sent?.get(section) ?? null,
      problems: (problems?.get(section) ?? []).slice(0, MAX_PROBLEMS).map((text) => text.slice(0, MAX_PROBLEM)),
    }));
  }

  private async read(): Promise<void> {
    for (;;) {
      const { receipts, through } = await this.table.after(this.through);
      // Streams may have come here while the answer was on its way.
      if (this.leads || receipts.length === 0) return;
      this.through = through;
      for (const receipt of receipts) {
        const known = this.others.get(receipt.instanceId) ?? new Map<string, SharedReceipt>();
        this.others.set(receipt.instanceId, known.set(receipt.section, receipt));
      }
    }
  }

  /** Said once for each reason: what nodes are told and do goes on without. */
  private failed(error: unknown): void {
    const problem = errorMessage(error);
    if (problem !== this.problem)
      this.log.warn({ error: problem }, 'receipts of nodes are not shared with other processes');
    this.problem = problem;
  }
}

const textOf = ({ applied, sent, problems }: SharedReceipt): string => `${applied} ${sent} ${problems.join('\n')}`;
