import { errorMessage, type Cancel, type Log, type Timers } from '#kernel';
import type { AgentLiveness } from '../ports.js';
import type { ReceiptKey, ReceiptTable, SharedReceipt } from './receipt-table.js';

type Said = Pick<AgentLiveness, 'applied' | 'problems' | 'sent'>;

const EVERY_MS = 1_000;
/** How often it is looked for rows of nodes and sections that are no more, in turns; and how many nodes are compiled for it. */
const SWEEP_TURNS = 60;
const MAX_COMPILED = 100;
/** An agent may fail with a long story; what is shown of it elsewhere is its beginning. */
const MAX_PROBLEMS = 8;
const MAX_PROBLEM = 500;

export interface ReceiptContext {
  /** Of the lead that this process has; undefined when it has none. It may grow while nobody else led in between. */
  term(): number | undefined;
  /** Sections that the node is to have; undefined when that cannot be said now. */
  wanted(instanceId: string): ReadonlySet<string> | undefined;
}

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
  /** The term in which this process writes: what the former leader left behind has been put right. */
  private begun: number | undefined;
  private turns = 0;
  /** Of nodes that have no stream, up to where the last sweep looked. */
  private sweptTo = '';
  private cancel: Cancel | undefined;
  private running = false;
  private problem = '';

  constructor(
    private readonly table: ReceiptTable,
    private readonly timers: Timers,
    private readonly log: Log,
    /** As this process, which has the streams, knows it. */
    private readonly own: (instanceId: string) => AgentLiveness,
    private readonly context: ReceiptContext,
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
    this.begun = undefined;
    this.turns = 0;
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
    const term = this.context.term();
    if (term === undefined) return;
    if (this.begun !== term) await this.begin(term);
    await this.writeNews(term);
    if (this.turns++ % SWEEP_TURNS === SWEEP_TURNS - 1) await this.sweep(term);
  }

  private async begin(term: number): Promise<void> {
    await this.table.begin(term);
    this.begun = term;
    // Of streams that have been here since before this term nothing is known there any more.
    for (const id of this.written.keys()) this.dirty.add(id);
    this.written.clear();
  }

  private async writeNews(term: number): Promise<void> {
    const ids = [...this.dirty];
    this.dirty.clear();
    const news = ids
      .flatMap((id) => this.receiptsOf(id))
      .filter((receipt) => this.written.get(receipt.instanceId)?.get(receipt.section) !== textOf(receipt));
    if (news.length === 0) return;
    try {
      await this.table.write(term, news);
    } catch (error) {
      for (const id of ids) this.dirty.add(id);
      throw error;
    }
    for (const receipt of news) {
      const known = this.written.get(receipt.instanceId) ?? new Map<string, string>();
      this.written.set(receipt.instanceId, known.set(receipt.section, textOf(receipt)));
    }
  }

  /** Rows of nodes that were terminated, and of networks that were deleted or left. */
  private async sweep(term: number): Promise<void> {
    let left = MAX_COMPILED;
    const gone: ReceiptKey[] = [];
    for (const [instanceId, sections] of startingAfter(this.sweptTo, await this.table.sections())) {
      const sent = this.own(instanceId).sent;
      if (sent === undefined && left-- === 0) break;
      if (sent === undefined) this.sweptTo = instanceId;
      const wanted = sent === undefined ? this.context.wanted(instanceId) : new Set(sent.keys());
      if (wanted === undefined) continue;
      for (const section of sections) if (!wanted.has(section)) gone.push({ instanceId, section });
    }
    await this.table.drop(term, gone);
    for (const { instanceId, section } of gone) this.written.get(instanceId)?.delete(section);
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
      // Rows that went while the database was away are not told of any more.
      if (this.through === 0n) this.others.clear();
      // Streams may have come here while the answer was on its way.
      if (this.leads || receipts.length === 0) return;
      this.through = through;
      for (const receipt of receipts) this.hear(receipt);
    }
  }

  private hear(receipt: SharedReceipt): void {
    const { instanceId, section } = receipt;
    const known = this.others.get(instanceId) ?? new Map<string, SharedReceipt>();
    if (receipt.gone === true) known.delete(section);
    else known.set(section, receipt);
    if (known.size > 0) this.others.set(instanceId, known);
    else this.others.delete(instanceId);
  }

  /** Said once for each reason: what nodes are told and do goes on without. */
  private failed(error: unknown): void {
    const problem = errorMessage(error);
    this.through = 0n;
    if (problem !== this.problem)
      this.log.warn({ error: problem }, 'receipts of nodes are not shared with other processes');
    this.problem = problem;
  }
}

const textOf = ({ applied, sent, problems }: SharedReceipt): string => `${applied} ${sent} ${problems.join('\n')}`;

/** All of them, those after `id` first. */
const startingAfter = <V>(id: string, all: ReadonlyMap<string, V>): [string, V][] => {
  const entries = [...all];
  const from = entries.findIndex(([key]) => key > id);
  return from < 0 ? entries : [...entries.slice(from), ...entries.slice(0, from)];
};
