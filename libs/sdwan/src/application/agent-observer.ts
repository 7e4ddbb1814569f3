import { errorMessage, type Clock, type Ids, type Log } from '#kernel';
import type { RecordedEvent } from '#event-store';
import type { AgentHello, AgentIdentity, AgentObserver } from '#agent-gateway';
import { agentV1 } from '#proto';
import type { Command, CommandContext, CommandDispatcher } from '#processing';
import { PeerAttached, PeerDetached, PeerKeyAnnounced } from '../domain/events.js';
import {
  AnnounceNextPeerKey,
  AnnouncePeerKey,
  RecordPeerDrift,
  RecordPeerLiveness,
  ReportPeerEndpoints,
} from './commands.js';
import { nextKeyOf } from '../domain/peer/key-rotation.js';
import { RecordPeerRouting } from './peer-routing-handler.js';
import { RoutingReports } from './routing-reports.js';
import type { FailoverCoordinator } from './failover/coordinator.js';
import type { SdwanModel } from './sdwan-model.js';

export interface ObserverDeps {
  readonly model: SdwanModel;
  readonly dispatcher: CommandDispatcher;
  readonly coordinator: FailoverCoordinator;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
}

/** WireGuard renews a session in use every 2 minutes; after 3 without a handshake it is dead. */
const HANDSHAKE_FRESH_MS = 180_000;

/** What agents report about the overlay becomes commands here, on edges only: a report that changes nothing writes nothing. */
export class SdwanObserver implements AgentObserver {
  private readonly underlay = new Map<string, readonly string[]>();
  private readonly handshakes = new Map<string, number>();
  private readonly lost = new Set<string>();
  private readonly recorded = new Map<string, 'connected' | 'silent'>();
  readonly routing = new RoutingReports();

  constructor(private readonly deps: ObserverDeps) {
    deps.model.onEvent((event) => this.onEvent(event));
  }

  async onConnected({ hello, agent }: AgentHello): Promise<void> {
    this.lost.delete(agent.instanceId);
    this.underlay.set(agent.instanceId, hello.underlayAddresses);
    this.deps.coordinator.onConnected(agent.instanceId);
    for (const peerId of this.peersOf(agent.instanceId)) await this.reportEndpoints(agent, peerId);
  }

  async onLost(agent: AgentIdentity): Promise<void> {
    this.lost.add(agent.instanceId);
    this.deps.coordinator.onLost(agent.instanceId);
    for (const peerId of this.peersOf(agent.instanceId)) await this.record(agent, peerId, 'silent');
  }

  onReturned(agent: AgentIdentity): void {
    this.lost.delete(agent.instanceId);
    this.deps.coordinator.onConnected(agent.instanceId);
  }

  onSuspected(agent: AgentIdentity): void {
    this.deps.coordinator.onSuspected(agent.instanceId);
  }

  onTrusted(agent: AgentIdentity): void {
    this.deps.coordinator.onTrusted(agent.instanceId);
  }

  async onPeerKey(agent: AgentIdentity, message: agentV1.PeerKey): Promise<void> {
    const peerId = this.peersOf(agent.instanceId).find(
      (id) => this.deps.model.networkOfPeer.get(id) === message.networkId,
    );
    if (peerId === undefined) {
      this.deps.log.warn(
        { instance: agent.instanceId, network: message.networkId },
        'key for a network the instance is not in',
      );
      return;
    }
    const payload = { peer_id: peerId, public_key: message.publicKey, listen_port: message.listenPort };
    await this.send(agent, (context) => new AnnouncePeerKey(payload, context));
    const { nextPublicKey: public_key, rotation } = message;
    if (public_key === undefined || rotation === undefined || public_key === message.publicKey) return;
    const next = { peer_id: peerId, public_key, rotation: Number(rotation) };
    await this.send(agent, (context) => new AnnounceNextPeerKey(next, context));
  }

  async onObserved(agent: AgentIdentity, message: agentV1.Observed): Promise<void> {
    const network = this.deps.model.networks.get(message.networkId);
    const own = this.peersOf(agent.instanceId).find((id) => network?.peers.has(id));
    if (network === undefined || own === undefined) return;
    await this.takeRouting(agent, own, message.routing);
    const byKey = new Map(message.peers.map((peer) => [peer.publicKey, Number(peer.lastHandshakeMs)]));
    for (const peer of network.peers.values()) {
      // While it changes its key it may be heard under either.
      const keys = [peer.publicKey, nextKeyOf(peer.keys.rotation)].flatMap((key) => byKey.get(key ?? '') ?? []);
      const at = keys.length === 0 ? undefined : Math.max(...keys);
      if (at === undefined || at === 0 || peer.peerId === own) continue;
      // A clock that runs ahead, or a lie, must not keep a dead peer connected for ever.
      const heard = Math.min(at, this.deps.clock.wallMs());
      for (const id of [peer.peerId, own]) this.handshakes.set(id, Math.max(heard, this.handshakes.get(id) ?? 0));
      await this.judge(agent, peer.peerId);
    }
    await this.judge(agent, own);
  }

  async onDriftRepaired(agent: AgentIdentity, message: agentV1.DriftRepaired): Promise<void> {
    const network = this.deps.model.networks.get(message.networkId);
    const own = this.peersOf(agent.instanceId).find((id) => network?.peers.has(id));
    if (own === undefined) return;
    await this.send(agent, (context) => new RecordPeerDrift({ peer_id: own, what: message.what }, context));
  }

  onVipAck(agent: AgentIdentity, message: agentV1.VipAck): void {
    this.deps.coordinator.onVipAck(agent.instanceId, message);
  }

  onVotePromise(agent: AgentIdentity, message: agentV1.VotePromise): void {
    this.deps.coordinator.onVotePromise(agent.instanceId, message);
  }

  onLeaseBeat(agent: AgentIdentity, message: agentV1.LeaseBeat): void {
    this.deps.coordinator.onLeaseBeat(agent.instanceId, message);
  }

  onRuntimeHealth(agent: AgentIdentity, message: agentV1.RuntimeHealth): void {
    if (message.runtime !== agentV1.Runtime.RUNTIME_K3S_SERVER) return;
    const ready = message.apiReady ?? message.ready;
    this.deps.coordinator.facts.health(agent.instanceId, ready);
    if (!ready) this.deps.coordinator.onInstance(agent.instanceId);
  }

  onApplied(agent: AgentIdentity, message: agentV1.Applied): void {
    if (message.section.startsWith('network/') && message.errors.length === 0)
      this.deps.coordinator.facts.markApplied(agent.instanceId);
  }

  /** When a peer was last heard of by agents that report to this process; unknown after a restart until they do. */
  lastHandshakeMs(peerId: string): number | undefined {
    return this.handshakes.get(peerId);
  }

  private takeRouting(agent: AgentIdentity, peer_id: string, report: agentV1.Routing | undefined): Promise<void> {
    return this.routing.take(peer_id, report, ({ daemon, error }) => {
      const reason = error || 'none is running';
      return this.send(agent, (context) => new RecordPeerRouting({ peer_id, daemon, reason }, context));
    });
  }

  private peersOf(instanceId: string): string[] {
    return [...(this.deps.model.peersOfInstance.get(instanceId) ?? [])];
  }

  /** Others tell of a handshake for minutes after a node has died: of one that is lost, only its own word counts. */
  private async judge(agent: AgentIdentity, peerId: string): Promise<void> {
    const { model } = this.deps;
    const instanceId = model.peer(peerId)?.instanceId ?? '';
    if (this.lost.has(instanceId) || model.instances.get(instanceId)?.lost === true) return;
    const at = this.handshakes.get(peerId) ?? 0;
    if (at > 0)
      await this.record(agent, peerId, this.deps.clock.wallMs() - at < HANDSHAKE_FRESH_MS ? 'connected' : 'silent');
  }

  private async record(agent: AgentIdentity, peerId: string, status: 'connected' | 'silent'): Promise<void> {
    if (this.recorded.get(peerId) === status) return;
    await this.send(agent, (context) => new RecordPeerLiveness({ peer_id: peerId, status }, context));
    this.recorded.set(peerId, status);
  }

  private async reportEndpoints(agent: AgentIdentity, peerId: string): Promise<void> {
    const underlay = this.underlay.get(agent.instanceId) ?? [];
    const known = this.deps.model.peer(peerId)?.underlay ?? [];
    if (underlay.length === 0 || JSON.stringify(underlay) === JSON.stringify(known)) return;
    await this.send(
      agent,
      (context) => new ReportPeerEndpoints({ peer_id: peerId, underlay_addresses: underlay }, context),
    );
  }

  /** An instance attached after its agent connected: its addresses are known already. */
  private onEvent(event: RecordedEvent): void {
    if (event.type === PeerKeyAnnounced.type || event.type === PeerDetached.type) {
      // With a new key it has to shake hands anew, and that is worth recording again.
      this.recorded.delete(String(event.data.peer_id));
      this.handshakes.delete(String(event.data.peer_id));
    }
    if (event.type !== PeerAttached.type || typeof event.data.instance_id !== 'string') return;
    const agent = { instanceId: event.data.instance_id, accountId: event.meta.accountId, certificateSerial: '' };
    if (!this.underlay.has(agent.instanceId)) return;
    this.reportEndpoints(agent, String(event.data.peer_id)).catch((error: unknown) =>
      this.deps.log.warn(
        { instance: agent.instanceId, error: errorMessage(error) },
        'endpoints not reported; they are with the next hello',
      ),
    );
  }

  private async send<P extends object>(
    agent: AgentIdentity,
    make: (context: CommandContext) => Command<P, void>,
  ): Promise<void> {
    const commandId = this.deps.ids.uuid();
    const result = await this.deps.dispatcher.dispatch(
      make({
        commandId,
        correlationId: commandId,
        causationId: commandId,
        accountId: agent.accountId,
        actor: { kind: 'agent', id: agent.instanceId },
        nowMs: this.deps.clock.wallMs(),
      }),
    );
    if (result.kind === 'refused')
      this.deps.log.warn({ instance: agent.instanceId, code: result.refusal.code }, result.refusal.message);
  }
}
