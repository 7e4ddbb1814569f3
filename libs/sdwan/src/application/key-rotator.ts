import { errorMessage, type Cancel, type Clock, type Ids, type Log, type Timers } from '#kernel';
import type { AgentIdentity, AgentLink, AgentLiveness, AgentObserver } from '#agent-gateway';
import type { RecordedEvent } from '#event-store';
import type { agentV1 } from '#proto';
import type { Command, CommandContext, CommandDispatcher, LeadNews } from '#processing';
import type { PeerView } from '../domain/wireguard-compiler/model.js';
import {
  planRotations,
  type RotationFacts,
  type RotationPlan,
  type RotationStep,
} from '../domain/wireguard-compiler/rotation-plan.js';
import { OrderPeerKeySwitch, RetirePeerKey, RotatePeerKey } from './commands.js';
import type { MutableNetwork } from './model-fold.js';
import type { SdwanModel } from './sdwan-model.js';

const LOOK_MS = 1_000;
/** From the word to the others that a key is about to be taken up to the word to take it up. */
const AHEAD_MS = 100;
/** An order that had no effect is given again. */
const AGAIN_MS = 3_000;
/** WireGuard renews a session in use every 2 minutes; after 3 without a handshake it is dead. */
const HANDSHAKE_FRESH_MS = 180_000;
/** Agents that were not there when the platform began to lead get so long to appear. */
const SETTLE_MS = 60_000;

export interface RotatorDeps {
  readonly model: SdwanModel;
  readonly link: AgentLink;
  readonly dispatcher: CommandDispatcher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: Ids;
  readonly log: Log;
  /** 0: keys are never changed by themselves. */
  readonly maxAgeDays: number;
  /** How long a change that was asked for waits for nodes whose agents are silent while their tunnels go on. */
  readonly patienceMinutes: number;
  lastHandshakeMs(peerId: string): number | undefined;
}

/**
 * Carries changes of WireGuard keys on: everything is looked at anew whenever something was heard, and each step is an event
 * before it has an effect, so that another process goes on where this one stopped.
 */
export class KeyRotator implements AgentObserver {
  private readonly running = new Set<string>();
  private readonly toldMs = new Map<string, number>();
  private cancel: Cancel | undefined;
  private soon: Cancel | undefined;
  private leadSinceMs: number | undefined;

  constructor(private readonly deps: RotatorDeps) {
    deps.model.onEvent((event) => this.onEvent(event));
  }

  start(leadership: LeadNews): void {
    leadership.onLead((leads) => (leads ? this.takeLead() : this.stop()));
  }

  stop(): void {
    this.cancel?.();
    this.soon?.();
    this.cancel = this.soon = this.leadSinceMs = undefined;
    this.toldMs.clear();
  }

  onApplied(_: AgentIdentity, message: agentV1.Applied): void {
    if (message.section.startsWith('network/') && this.isAnyRotating()) this.lookSoon();
  }

  onConnected(): void {
    if (this.isAnyRotating()) this.lookSoon();
  }

  /** What is known of an agent by this process. */
  liveness(instanceId: string): AgentLiveness {
    return this.deps.link.liveness(instanceId);
  }

  /** What would be done now, and whom each change waits for. */
  plan(network: MutableNetwork): RotationPlan {
    return planRotations(network, this.facts(network));
  }

  /** Nothing is heard of it, on either way. */
  isAbsent(network: MutableNetwork, peer: PeerView): boolean {
    return this.facts(network).isAbsent(peer);
  }

  private takeLead(): void {
    if (this.cancel !== undefined) return;
    this.leadSinceMs = this.deps.clock.monotonicMs();
    this.cancel = this.deps.timers.every(LOOK_MS, () => this.look());
  }

  private onEvent(event: RecordedEvent): void {
    if (event.type.startsWith('system.sdwan.peer.key_') || event.type.startsWith('system.sdwan.peer.next_key_'))
      this.lookSoon();
  }

  private isAnyRotating(): boolean {
    for (const { peers } of this.deps.model.networks.values())
      for (const peer of peers.values()) if (peer.keys.rotation !== null) return true;
    return false;
  }

  private lookSoon(): void {
    if (this.cancel === undefined || this.soon !== undefined) return;
    this.soon = this.deps.timers.after(5, () => {
      this.soon = undefined;
      this.look();
    });
  }

  private look(): void {
    if (this.cancel === undefined) return;
    for (const network of this.deps.model.networks.values())
      for (const step of this.plan(network).steps) this.carryOut(network, step);
  }

  private facts(network: MutableNetwork): RotationFacts {
    const { clock, link, maxAgeDays, patienceMinutes, lastHandshakeMs } = this.deps;
    const nowMs = clock.wallMs();
    const section = `network/${network.networkId}`;
    const ledMs = this.leadSinceMs === undefined ? undefined : clock.monotonicMs() - this.leadSinceMs;
    const settled = ledMs !== undefined && ledMs >= SETTLE_MS;
    const of = ({ instanceId }: PeerView) => link.liveness(instanceId ?? '');
    return {
      nowMs,
      maxAgeMs: maxAgeDays === 0 ? null : maxAgeDays * 86_400_000,
      patienceMs: patienceMinutes * 60_000,
      // Not the wall's time of then: a machine that has just booted may have set its clock since.
      hearsSinceMs: ledMs === undefined ? 0 : Math.round(nowMs - ledMs),
      isConnected: (peer) => of(peer).connected,
      isAbsent: (peer) => {
        const { connected, lost, silentMs } = of(peer);
        if (connected || nowMs - (lastHandshakeMs(peer.peerId) ?? 0) < HANDSHAKE_FRESH_MS) return false;
        return lost || (silentMs === Infinity && settled);
      },
      applied: (peer) => of(peer).applied.get(section) ?? 0n,
    };
  }

  private carryOut(network: MutableNetwork, step: RotationStep): void {
    const { peerId } = step;
    const peer_id = peerId;
    switch (step.kind) {
      case 'tell':
        return this.tell(network, step);
      case 'request':
        return this.run(network, step, (c) => new RotatePeerKey({ peer_id, reason: 'age' }, c));
      case 'retire':
        return this.run(network, step, (c) => new RetirePeerKey({ peer_id, public_key: step.publicKey }, c));
      case 'order': {
        const payload = { peer_id, public_key: step.publicKey, held_by: step.heldBy, absent: step.absent };
        return this.run(network, step, (c) => new OrderPeerKeySwitch(payload, c));
      }
    }
  }

  /** The watchers first, so that they look closely when it happens. Without them it works too, only less quickly. */
  private tell(network: MutableNetwork, step: Extract<RotationStep, { kind: 'tell' }>): void {
    const { clock, link, timers } = this.deps;
    const { peerId, publicKey } = step;
    const { networkId } = network;
    const now = clock.monotonicMs();
    const instanceId = network.peers.get(peerId)?.instanceId;
    if (instanceId == null || now - (this.toldMs.get(peerId) ?? -Infinity) < AGAIN_MS) return;
    this.toldMs.set(peerId, now);
    const announce = { $case: 'keyAnnounce' as const, value: { networkId, peerId, publicKey } };
    for (const watcher of step.watchers) link.sendPriority(watcher, { message: announce });
    timers.after(AHEAD_MS, () =>
      link.sendPriority(instanceId, { message: { $case: 'keySwitch', value: { networkId, publicKey } } }),
    );
  }

  private run(network: MutableNetwork, step: RotationStep, make: (c: CommandContext) => Command<object, void>): void {
    const key = `${step.kind} ${step.peerId}`;
    if (this.running.has(key)) return;
    this.running.add(key);
    const commandId = this.deps.ids.uuid();
    const context: CommandContext = {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: network.accountId,
      actor: { kind: 'system', id: 'sdwan_keys' },
      nowMs: this.deps.clock.wallMs(),
    };
    const told = { step: step.kind, peer: step.peerId };
    this.deps.dispatcher
      .dispatch(make(context))
      .then((result) => {
        if (result.kind === 'refused')
          this.deps.log.warn({ ...told, code: result.refusal.code }, result.refusal.message);
      })
      .catch((error: unknown) =>
        this.deps.log.warn(
          { ...told, error: errorMessage(error) },
          'a step of a change of key failed; it is tried again',
        ),
      )
      .finally(() => this.running.delete(key));
  }
}
