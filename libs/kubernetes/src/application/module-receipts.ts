import { canonicalJson, deterministicUuid, errorMessage, isoTime, sha256Hex, type Clock, type Log } from '#kernel';
import type { AgentHello, AgentIdentity, AgentObserver } from '#agent-gateway';
import type { EventMeta, EventStore, RecordedEvent } from '#event-store';
import { sectionHash, type agentV1 } from '#proto';
import { ModulesGenerationApplied, ModulesGenerationFailed } from '../domain/events.js';
import type { KubernetesDirectory } from './directory.js';
import { MODULES_SECTION, type ModulesSource } from './modules-source.js';

/** Changes of one node's section that wait for its receipt. */
const KEPT_CHANGES = 32;
/** What is folded for a node without anything to do with its modules. */
const SILENT = /^system\.(instance\.(created|online|lost|returned)|k3s\.node\.(not_ready|ready|drain_progress))$/;
const RECEIPTS: ReadonlySet<string> = new Set([ModulesGenerationApplied.type, ModulesGenerationFailed.type]);

type Change = Pick<RecordedEvent, 'id' | 'position' | 'recordedAt'> & Pick<EventMeta, 'correlationId'>;

interface Node {
  /** Digest of the section, from when the node was first heard here; before that any change that may concern it counts. */
  digest: string | undefined;
  changes: Change[];
  /** Generations up to here are in the log: as applied, or as answered at all. */
  applied: bigint;
  answered: bigint;
}

export interface ReceiptDeps {
  readonly directory: Pick<KubernetesDirectory, 'instances'>;
  readonly source: Pick<ModulesSource, 'compile'>;
  readonly store: Pick<EventStore, 'append'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A node's receipts, apart from its decisions: nobody decides anything on them. */
export const nodeReceiptsStreamOf = (instanceId: string): string =>
  `instance_receipts-${instanceId.slice(instanceId.indexOf('-') + 1)}`;

/**
 * Writes down which form of the `modules` section reached which node and when, under the correlation of the change that it
 * carried. One event for a generation that carried a change, none for beats, reconnects, or an agent that applies once more what
 * it had. Everything that decides on that is in the log, so it is the same after a restart or in another process.
 */
export class ModuleReceipts implements AgentObserver {
  private readonly nodes = new Map<string, Node>();

  constructor(private readonly deps: ReceiptDeps) {}

  /** Sees every event after the source has folded it. */
  note(event: RecordedEvent, touched: Iterable<string>): void {
    if (RECEIPTS.has(event.type)) {
      const { instance_id, generation } = event.data as { instance_id: string; generation: string };
      return this.done(instance_id, BigInt(generation), event.type === ModulesGenerationApplied.type);
    }
    if (SILENT.test(event.type)) return;
    for (const id of touched) {
      if (!this.deps.directory.instances.has(id)) this.nodes.delete(id);
      else if (this.differs(this.node(id), id)) this.keep(this.node(id), event);
    }
  }

  /**
   * What it has says it all: an agent that comes with just what is wanted has applied every change so far. Nothing is sent to it then,
   * so no receipt would come: when its last one was lost with the process that heard it, or when changes undid each other meanwhile. One that
   * said that it could not has the same, and goes on trying: its own receipt will come.
   */
  onConnected({ agent, hello }: AgentHello): void {
    const { instanceId } = agent;
    if (!this.deps.directory.instances.has(instanceId)) return;
    const node = this.node(instanceId);
    node.digest ??= this.digest(instanceId);
    const newest = node.changes.at(-1);
    const section = hello.sections?.find(({ name }) => name === MODULES_SECTION);
    if (newest === undefined || section === undefined || section.hash !== this.hash(instanceId)) return;
    const generation = section.generation > newest.position ? section.generation : newest.position;
    if (newest.position > node.answered)
      this.onApplied(agent, { ...section, section: MODULES_SECTION, generation, errors: [], applyUs: 0 });
  }

  /** An agent may say what it likes of itself: without a change that it was told of, nothing is written. */
  onApplied({ instanceId }: AgentIdentity, message: agentV1.Applied): void {
    const node = this.nodes.get(instanceId);
    if (message.section !== MODULES_SECTION || node === undefined) return;
    const isApplied = message.errors.length === 0;
    if (message.generation <= (isApplied ? node.applied : node.answered)) return;
    const cause = node.changes.findLast(({ position }) => position <= message.generation);
    if (cause === undefined) return;
    this.append(instanceId, cause, message, node.changes.at(-1) === cause).then(
      () => this.done(instanceId, message.generation, isApplied),
      (error: unknown) =>
        this.deps.log.warn({ instanceId, error: errorMessage(error) }, 'a receipt of a node was not recorded'),
    );
  }

  private differs(node: Node, id: string): boolean {
    if (node.digest === undefined) return true;
    const digest = this.digest(id);
    if (digest === node.digest) return false;
    node.digest = digest;
    return true;
  }

  private keep(node: Node, { id, position, recordedAt, meta }: RecordedEvent): void {
    node.changes.push({ id, position, recordedAt, correlationId: meta.correlationId });
    if (node.changes.length > KEPT_CHANGES) node.changes.shift();
  }

  /** What failed may be applied yet, in the same generation. */
  private done(instanceId: string, generation: bigint, isApplied: boolean): void {
    const node = this.node(instanceId);
    if (generation > node.answered) node.answered = generation;
    if (!isApplied || generation <= node.applied) return;
    node.applied = generation;
    node.changes = node.changes.filter(({ position }) => position > generation);
  }

  private node(id: string): Node {
    let node = this.nodes.get(id);
    if (node === undefined) this.nodes.set(id, (node = { digest: undefined, changes: [], applied: 0n, answered: 0n }));
    return node;
  }

  /** As agents compute it over what they hold. */
  private hash(id: string): string {
    const items = this.deps.source.compile(id).get(MODULES_SECTION) ?? new Map<string, unknown>();
    return sectionHash(new Map([...items].map(([key, item]) => [key, Buffer.from(canonicalJson(item))])));
  }

  private digest(id: string): string {
    return sha256Hex(canonicalJson([...(this.deps.source.compile(id).get(MODULES_SECTION) ?? [])]));
  }

  private async append(id: string, cause: Change, message: agentV1.Applied, isNewest: boolean): Promise<void> {
    const known = this.deps.directory.instances.get(id);
    if (known === undefined) return;
    const { generation, errors, applyUs } = message;
    const nowMs = this.deps.clock.wallMs();
    const stream = nodeReceiptsStreamOf(id);
    const receipt = {
      instance_id: id as `instance-${string}`,
      section: MODULES_SECTION,
      generation: String(generation),
      ...(isNewest ? { modules: [...known.modules.values()].map(({ name }) => name).sort() } : {}),
      took_ms: Math.max(0, nowMs - Date.parse(cause.recordedAt)),
      apply_ms: applyUs / 1_000,
    };
    const { type, data, severity } =
      errors.length === 0
        ? ModulesGenerationApplied(receipt as Parameters<typeof ModulesGenerationApplied>[0])
        : ModulesGenerationFailed({ ...receipt, errors: [...errors] } as Parameters<typeof ModulesGenerationFailed>[0]);
    // Derived: who says the same again, also to another process, adds nothing.
    const commandId = deterministicUuid('module_receipt', id, String(generation), String(errors.length === 0));
    const meta: EventMeta = {
      accountId: known.accountId,
      actor: { kind: 'agent', id },
      commandId,
      correlationId: cause.correlationId,
      causationId: cause.id,
      occurredAt: isoTime(nowMs),
      severity: severity ?? 'info',
      links: { instance: id },
      topics: [],
    };
    const event = { id: deterministicUuid('event', commandId, stream, 0), type, schemaVersion: 1, data, meta };
    await this.deps.store.append({ stream, expected: 'any', events: [event] });
  }
}
