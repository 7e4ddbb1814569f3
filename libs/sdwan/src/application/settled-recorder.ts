import { deterministicUuid, errorMessage, isoTime, type Clock, type Ids, type Log, type Timers } from '#kernel';
import type { AgentObserver, GenerationSettled } from '#agent-gateway';
import type { EventMeta, EventStore, RecordedEvent } from '#event-store';
import { NetworkGenerationSettled } from '../domain/events.js';
import { networksOf, type SdwanModel } from './sdwan-model.js';

/** Changes of a network that are remembered until their generation has settled. */
const KEPT_CHANGES = 128;
/** While changes come faster than this, only the newest generation is recorded: it contains what the earlier ones said. */
const SPACING_MS = 250;
const SECTION = 'network/';

type Change = Pick<RecordedEvent, 'id' | 'position'> & Pick<EventMeta, 'correlationId'>;

/** Of one network: what changed it lately, and the settled generation that waits for its turn to be recorded. */
interface Network {
  readonly changes: Change[];
  nextMs: number;
  waiting?: GenerationSettled;
}

export interface SettledDeps {
  readonly model: SdwanModel;
  readonly store: Pick<EventStore, 'append'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: Ids;
  readonly log: Log;
}

/** The network's own settled generations, apart from its decisions: nobody decides anything on them. */
export const receiptsStreamOf = (networkId: string): string =>
  `sdwan_network_receipts-${networkId.slice(networkId.indexOf('-') + 1)}`;

/**
 * Writes down when the nodes of a network have applied what they were told, under the correlation id of what they were told
 * for: the end of the story that a tool call began.
 */
export class SettledRecorder implements AgentObserver {
  private readonly networks = new Map<string, Network>();

  constructor(private readonly deps: SettledDeps) {
    deps.model.onEvent((event) => this.note(event));
  }

  onSettled(settled: GenerationSettled): void {
    if (!settled.section.startsWith(SECTION)) return;
    const networkId = settled.section.slice(SECTION.length);
    const network = this.network(networkId);
    const now = this.deps.clock.monotonicMs();
    if (network.nextMs <= now || settled.behind.length > 0) return this.record(networkId, network, settled);
    const isFirst = network.waiting === undefined;
    network.waiting = settled;
    if (isFirst) this.deps.timers.after(network.nextMs - now, () => this.flush(networkId, network));
  }

  private flush(networkId: string, network: Network): void {
    if (network.waiting !== undefined) this.record(networkId, network, network.waiting);
  }

  private note(event: RecordedEvent): void {
    const [networkId] = networksOf(this.deps.model, event);
    if (
      !event.type.startsWith('system.sdwan.') ||
      event.type === NetworkGenerationSettled.type ||
      networkId === undefined
    )
      return;
    const { changes } = this.network(networkId);
    changes.push({ id: event.id, position: event.position, correlationId: event.meta.correlationId });
    if (changes.length > KEPT_CHANGES) changes.shift();
  }

  private network(networkId: string): Network {
    let network = this.networks.get(networkId);
    if (network === undefined) this.networks.set(networkId, (network = { changes: [], nextMs: 0 }));
    return network;
  }

  private record(networkId: string, network: Network, settled: GenerationSettled): void {
    delete network.waiting;
    network.nextMs = this.deps.clock.monotonicMs() + SPACING_MS;
    const known = this.deps.model.networks.get(networkId);
    const cause = network.changes.findLast((change) => change.position <= settled.generation);
    // A network that was deleted meanwhile, or agents that only connected: nothing was changed for anybody.
    if (known === undefined || cause === undefined) return;
    this.append(networkId, known.accountId, cause, settled).catch((error: unknown) =>
      this.deps.log.warn({ network: networkId, error: errorMessage(error) }, 'a settled generation was not recorded'),
    );
  }

  private async append(networkId: string, accountId: string, cause: Change, settled: GenerationSettled): Promise<void> {
    const stream = receiptsStreamOf(networkId);
    const commandId = this.deps.ids.uuid();
    const { type, version: schemaVersion, schema } = NetworkGenerationSettled;
    const data = schema.parse({
      network_id: networkId,
      generation: String(this.deps.model.generations.at(networkId, settled.generation)),
      applied: settled.applied,
      behind: [...settled.behind],
      p50_ms: settled.p50Ms,
      p99_ms: settled.p99Ms,
    });
    const meta: EventMeta = {
      accountId,
      actor: { kind: 'system', id: 'agent_gateway' },
      commandId,
      correlationId: cause.correlationId,
      causationId: cause.id,
      occurredAt: isoTime(this.deps.clock.wallMs()),
      severity: settled.behind.length > 0 ? 'warning' : 'info',
      links: { network: networkId },
      topics: [],
    };
    const event = { id: deterministicUuid('event', commandId, stream, 0), type, schemaVersion, data, meta };
    await this.deps.store.append({ stream, expected: 'any', events: [event] });
  }
}
