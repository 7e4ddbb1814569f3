import { categoryOf, type EventCatalogue } from '#kernel';
import type {
  AgentIdentity,
  AgentLink,
  AgentLiveness,
  AgentObserver,
  DesiredStateSource,
  FoldedSources,
  GatewayRegistrar,
} from '#agent-gateway';
import type { DesiredSections, ForkedNode } from '#audit';
import type { ForkEventStore, RecordedEvent } from '#event-store';
import { agentV1, type VipItem } from '#proto';
import type { Notes } from './fork-ports.js';
import type { VirtualTime } from './virtual-time.js';

/** One way between platform and agent, in virtual milliseconds. */
const LATENCY_MS = 2;
const { VipAck_Role: Role } = agentV1;

export interface ForkGatewayDeps {
  readonly store: ForkEventStore;
  readonly catalogue: EventCatalogue;
  readonly time: VirtualTime;
  readonly notes: Notes;
  /** How the real gateway knows an agent, at the time of the fork. */
  readonly liveness: (instanceId: string) => AgentLiveness;
}

/**
 * The gateway of a fork: folds the log into the contexts' sources as the real one does, keeps what every node is told before and
 * after, and answers VIP messages as connected, healthy agents would. Nothing leaves it.
 */
export class ForkGateway implements AgentLink, GatewayRegistrar {
  private readonly sources: DesiredStateSource[] = [];
  private stuck: ReadonlySet<string> = new Set();
  private readonly observers: AgentObserver[] = [];
  readonly names = new Map<string, string>();
  private readonly accounts = new Map<string, string>();
  private readonly known = new Map<string, AgentLiveness>();
  private readonly vipItems = new Map<string, VipItem>();
  private readonly dirty = new Set<string>();
  private before: ReadonlyMap<string, DesiredSections> | undefined;

  constructor(private readonly deps: ForkGatewayDeps) {
    deps.store.onAppended((events) => {
      // Before the first event that may change anything, once.
      if (events.some((event) => !categoryOf(event.stream).startsWith('pm_'))) this.before ??= this.compileAll();
      for (const id of this.apply(events)) this.dirty.add(id);
    });
  }

  addSource(source: DesiredStateSource): void {
    this.sources.push(source);
  }
  /** Phases are what nodes report; in a fork nobody does. */
  addPhaseHandler(): void {}
  addObserver(observer: AgentObserver): void {
    this.observers.push(observer);
  }

  /** Begins with what the real gateway has folded. */
  adopt({ sources, stuck }: FoldedSources): void {
    for (const source of this.sources) {
      const other = sources.find(({ name }) => name === source.name);
      if (other === undefined || source.adopt === undefined)
        throw new Error(`the source ${source.name} of the desired state cannot be forked`);
      source.adopt(other);
      if (stuck.has(source.name)) this.deps.notes.add(`what follows where the source ${source.name} stands still`);
    }
    this.stuck = stuck;
  }

  /** Who there is, as folded. */
  meet(instanceId: string, { accountId, name }: { readonly accountId: string; readonly name: string }): void {
    this.accounts.set(instanceId, accountId);
    this.names.set(instanceId, name);
  }

  /** Events that the fork inherits, in order. */
  fold(events: readonly RecordedEvent[]): void {
    this.apply(events);
  }

  /** What nodes were told before the first event of the fork, and what they are told now; only those that may differ. */
  touched(): ForkedNode[] {
    const none: DesiredSections = new Map();
    return [...this.dirty].map((id) => ({
      instanceId: id,
      accountId: this.accounts.get(id) ?? '',
      before: this.before?.get(id) ?? none,
      after: this.compile(id),
    }));
  }

  liveness(instanceId: string): AgentLiveness {
    let liveness = this.known.get(instanceId);
    if (liveness === undefined) this.known.set(instanceId, (liveness = this.deps.liveness(instanceId)));
    return liveness;
  }

  /** Where another process has the agents' streams, and this one heard nobody. */
  takeForConnected(instanceIds: readonly string[]): void {
    for (const id of instanceIds) this.known.set(id, { ...this.deps.liveness(id), connected: true, silentMs: 0 });
    this.deps.notes.add(STREAMS_ELSEWHERE);
  }

  sendVip(instanceId: string, item: VipItem): boolean {
    if (!this.liveness(instanceId).connected) return false;
    const key = `${instanceId} ${item.vip_id}`;
    const before = this.vipItems.get(key) ?? this.toldVip(instanceId, item);
    this.vipItems.set(key, item);
    const held = before?.role === 'holder' || before?.release_after_move === true;
    const role =
      item.role === 'holder'
        ? Role.ROLE_HOLDER
        : item.release_after_move || !held
          ? Role.ROLE_ROUTED
          : Role.ROLE_RELEASED;
    const ack = { vipId: item.vip_id, epoch: BigInt(item.epoch), role, error: '' };
    this.deps.notes.add(ANSWERS_OF_AGENTS);
    return this.answered(instanceId, (observer, agent) => observer.onVipAck?.(agent, ack));
  }

  sendPriority(instanceId: string, { message }: agentV1.SyncResponse): boolean {
    if (!this.liveness(instanceId).connected) return false;
    if (message?.$case !== 'voteRequest') return true;
    const { vipId, epoch } = message.value;
    const promise = { vipId, epoch, granted: true, outstandingMs: 0, holderHeardMsAgo: 0n, promisedEpoch: epoch };
    this.deps.notes.add(ANSWERS_OF_AGENTS);
    return this.answered(instanceId, (observer, agent) => observer.onVotePromise?.(agent, promise));
  }

  setVipCandidate(): void {}

  async openTunnel(instanceId: string): Promise<never> {
    throw new Error(`a fork has no tunnel to ${instanceId}`);
  }

  disconnect(instanceId: string): void {
    const known = this.liveness(instanceId);
    this.known.set(instanceId, { ...known, connected: false });
  }

  faults(): ReadonlyMap<string, string> {
    return new Map();
  }

  private apply(events: readonly RecordedEvent[]): Set<string> {
    const touched = new Set<string>();
    for (const recorded of events) {
      const event = this.deps.catalogue.current(recorded);
      if (event.type === 'system.instance.created')
        this.meet(event.stream, { accountId: event.meta.accountId, name: String(event.data['name']) });
      for (const source of this.sources)
        if (!this.stuck.has(source.name)) for (const id of source.apply(event)) touched.add(id);
    }
    return touched;
  }

  private compileAll(): ReadonlyMap<string, DesiredSections> {
    return new Map([...this.accounts.keys()].map((id) => [id, this.compile(id)]));
  }

  private compile(instanceId: string): DesiredSections {
    return new Map(this.sources.flatMap((source) => [...source.compile(instanceId)]));
  }

  /** The item that the node's desired state holds. */
  private toldVip(instanceId: string, { network_id, vip_id }: VipItem): VipItem | undefined {
    return this.compile(instanceId).get(`network/${network_id}`)?.get(`vip/${vip_id}`) as VipItem | undefined;
  }

  private answered(
    instanceId: string,
    tell: (observer: AgentObserver, agent: AgentIdentity) => Promise<void> | void,
  ): boolean {
    const agent = { instanceId, accountId: this.accounts.get(instanceId) ?? '', certificateSerial: '' };
    this.deps.time.after(2 * LATENCY_MS, () => {
      for (const observer of this.observers) void tell(observer, agent);
    });
    return true;
  }
}

const STREAMS_ELSEWHERE =
  'which nodes answer at this moment: another platform process has their streams, and those that are online by the log are taken to';
const ANSWERS_OF_AGENTS =
  'how fast the nodes answer: connected ones are taken to vote and to acknowledge as healthy agents do';
