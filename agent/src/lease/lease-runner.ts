import { backoffMs, type Cancel, type Clock, errorMessage, type Log, type Random, Serial, type Timers } from '#kernel';
import type { VipItem } from '#proto';
import { canonicalAddress } from '../network/cidr.js';
import type { DatagramSocket, Datagrams, Files } from '../ports.js';
import {
  PLATFORM,
  initialLease,
  isHeld,
  nextWake,
  safeRules,
  type LeaseConfig,
  type LeaseEffect,
  type LeaseInput,
  type LeaseRules,
  type LeaseState,
} from './lease.js';
import { stepLease } from './lease-step.js';
import { outstandingMs } from './lease-voter.js';
import { LEASE_PORT, decodeLease, encodeLease, isHandover, type HandoverMessage } from './wire.js';

export interface LeaseHooks {
  hold(vipId: string, epoch: number, forMs: number): void;
  extend(vipId: string, epoch: number, forMs: number): void;
  drop(vipId: string, epoch: number, reason: string): void;
  /** To the platform's vote, over the Sync stream. */
  platformBeat(vipId: string, epoch: number, seq: number): void;
  promise(vipId: string, promise: Extract<LeaseEffect, { kind: 'promise' }>): void;
  handover(vipId: string, message: HandoverMessage, fromAddress: string): void;
}

interface Entry {
  state: LeaseState;
  cancel: Cancel | undefined;
  /** Overlay address by peer id, and the other way round. */
  addresses: ReadonlyMap<string, string>;
  own: string;
}

interface Ports {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly files: Files;
  readonly datagrams: Datagrams;
  readonly log: Log;
}

/** The edge of the lease: timers, datagrams on the overlay and the promises on disk. */
export class LeaseRunner {
  private readonly entries = new Map<string, Entry>();
  private readonly sockets = new Map<string, DatagramSocket | 'binding'>();
  private readonly effects = new Serial();
  /** `ttlMs`: a grant of a former life counts for as long as it was given, also before the VIP is known here again. */
  private stored: Record<string, { promised: number; grantEpoch: number; ttlMs?: number | undefined }> = {};
  /** VIPs whose promise could not be written: nothing is confirmed for them until it is. */
  private readonly unsaved = new Set<string>();
  /** VIPs that this node holds without a lease, from when on. */
  private readonly alone = new Map<string, { epoch: number; freeAt: number; cancel: Cancel | undefined }>();
  private closed = false;

  constructor(
    private readonly ports: Ports,
    private readonly path: string,
    private readonly hooks: LeaseHooks,
    /** Others than the safe ones only in a simulation that must find them out. */
    private readonly rules: LeaseRules = safeRules,
  ) {}

  async load(): Promise<void> {
    const bytes = await this.ports.files.read(this.path);
    if (bytes !== undefined) this.stored = JSON.parse(bytes.toString('utf8')) as typeof this.stored;
  }

  /** Whether this node may have the address on right now. A VIP without a lease is held by whoever the platform names. */
  holds(vip: VipItem): boolean {
    if (vip.role !== 'holder') return false;
    if (vip.lease === null) return this.now() >= (this.alone.get(vip.vip_id)?.freeAt ?? -Infinity);
    const state = this.entries.get(vip.vip_id)?.state;
    return state !== undefined && state.holding?.epoch === vip.epoch && isHeld(state, this.now());
  }

  /** For how long this node may still answer for the VIP. */
  remainingMs(vip: VipItem): number {
    const { holding } = this.entries.get(vip.vip_id)?.state ?? {};
    return holding !== undefined && this.holds(vip) ? holding.validUntil - this.now() : 0;
  }

  /** Whether an old lease still runs, so that the address may stay until the others have moved on. */
  lingers(vip: VipItem): boolean {
    const state = this.entries.get(vip.vip_id)?.state;
    return state?.holding !== undefined && state.holding.epoch < vip.epoch && isHeld(state, this.now());
  }

  configure(vip: VipItem, self: string): void {
    const { lease } = vip;
    if (lease === null && vip.role === 'holder') return this.holdAlone(vip, self);
    this.endAlone(vip.vip_id);
    if (lease === null || !lease.voters.some((v) => v.peer_id === self)) return this.remove(vip.vip_id);
    const addresses = new Map(lease.voters.map((v) => [v.peer_id, canonicalAddress(v.address)]));
    const config: LeaseConfig = {
      vipId: vip.vip_id,
      self,
      epoch: vip.epoch,
      holder: vip.role === 'holder',
      voters: lease.voters.map((v) => v.peer_id),
      platformVotes: lease.platform_votes,
      beatMs: lease.beat_ms,
      ttlMs: lease.ttl_ms,
    };
    const entry = this.entries.get(vip.vip_id) ?? this.fresh(vip.vip_id, lease.ttl_ms);
    entry.addresses = addresses;
    entry.own = addresses.get(self)!;
    this.listen(entry.own);
    this.feed(vip.vip_id, { kind: 'configure', now: this.now(), config });
  }

  remove(vipId: string): void {
    this.endAlone(vipId);
    this.forget(vipId);
  }

  /** The only candidate left needs no votes, but what it granted to the one before it has to run out first. */
  private holdAlone(vip: VipItem, self: string): void {
    const { vip_id: vipId, epoch } = vip;
    const known = this.alone.get(vipId);
    if (known !== undefined) return void (known.epoch = epoch);
    const now = this.now();
    const { state } = this.entries.get(vipId) ?? this.fresh(vipId, 0);
    const left = Math.ceil(outstandingMs(state, epoch, self, now));
    this.forget(vipId);
    const wake = () => this.hooks.hold(vipId, this.alone.get(vipId)?.epoch ?? epoch, Infinity);
    const cancel = left > 0 ? this.ports.timers.after(left + 1, wake) : undefined;
    this.alone.set(vipId, { epoch, freeAt: now + left, cancel });
  }

  private endAlone(vipId: string): void {
    this.alone.get(vipId)?.cancel?.();
    this.alone.delete(vipId);
  }

  private forget(vipId: string): void {
    if (!this.entries.has(vipId)) return;
    this.feed(vipId, { kind: 'configure', now: this.now(), config: undefined });
    this.entries.get(vipId)?.cancel?.();
    this.entries.delete(vipId);
  }

  /** A VIP the agent knows nothing of gets a promise too: it can only have granted less. */
  voteRequest(vipId: string, epoch: number, question?: string): void {
    if (!this.entries.has(vipId)) this.fresh(vipId, 0);
    this.feed(vipId, { kind: 'vote_request', now: this.now(), epoch, question });
  }

  platformConfirm(vipId: string, epoch: number, seq: number): void {
    this.feed(vipId, { kind: 'message', now: this.now(), from: PLATFORM, message: { kind: 'confirm', epoch, seq } });
  }

  /** Members that are no voters hear of a new holder on the same port. */
  listenOn(own: string): void {
    this.listen(canonicalAddress(own));
  }

  tell(own: string, to: string, vipId: string, message: HandoverMessage): void {
    const socket = this.sockets.get(canonicalAddress(own));
    if (socket !== undefined && socket !== 'binding') socket.send(to, LEASE_PORT, encodeLease(vipId, message));
  }

  /** May be called twice: an agent that was told to end may also be stopped. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const entry of [...this.entries.values(), ...this.alone.values()]) entry.cancel?.();
    for (const socket of this.sockets.values()) if (socket !== 'binding') socket.close();
  }

  private fresh(vipId: string, ttlMs: number): Entry {
    const stored = this.stored[vipId] ?? { promised: 0, grantEpoch: 0 };
    const base = Math.floor(this.ports.random.unit() * 2 ** 40);
    const entry: Entry = {
      state: initialLease(stored, this.now(), Math.max(ttlMs, stored.ttlMs ?? 0), base, this.rules),
      cancel: undefined,
      addresses: new Map(),
      own: '',
    };
    this.entries.set(vipId, entry);
    return entry;
  }

  private feed(vipId: string, input: LeaseInput): void {
    const entry = this.entries.get(vipId);
    if (entry === undefined || this.closed) return;
    const { state, effects } = stepLease(entry.state, input);
    entry.state = state;
    for (const effect of effects) this.carryOut(vipId, entry, effect);
    entry.cancel?.();
    const at = nextWake(state);
    entry.cancel =
      at === undefined
        ? undefined
        : this.ports.timers.after(Math.max(0, at - this.now()), () =>
            this.feed(vipId, { kind: 'tick', now: this.now() }),
          );
  }

  private carryOut(vipId: string, entry: Entry, effect: LeaseEffect): void {
    switch (effect.kind) {
      case 'hold':
        return this.hooks.hold(vipId, effect.epoch, effect.until - this.now());
      case 'extend':
        return this.hooks.extend(vipId, effect.epoch, effect.until - this.now());
      case 'drop':
        return this.hooks.drop(vipId, effect.epoch, effect.reason);
      default:
        // In order: what follows a promise waits until the promise is on disk.
        void this.effects
          .run(() => this.inOrder(vipId, entry, effect))
          .catch((error: unknown) =>
            this.ports.log.error({ vip: vipId, error: errorMessage(error) }, 'lease step failed'),
          );
    }
  }

  private async inOrder(
    vipId: string,
    entry: Entry,
    effect: Extract<LeaseEffect, { kind: 'send' | 'persist' | 'promise' }>,
  ) {
    if (effect.kind === 'persist') {
      const ttlMs = entry.state.config?.ttlMs ?? this.stored[vipId]?.ttlMs;
      this.stored[vipId] = { promised: effect.promised, grantEpoch: effect.grantEpoch, ttlMs };
      this.unsaved.add(vipId);
    }
    if (this.unsaved.has(vipId)) {
      await this.ports.files.write(this.path, JSON.stringify(this.stored), 0o600);
      this.unsaved.delete(vipId);
    }
    if (effect.kind === 'persist') return;
    if (effect.kind === 'promise') this.hooks.promise(vipId, effect);
    else if (effect.to === entry.state.config?.self)
      // A vote of its own counts like another's: not before a new life of this agent would know of it.
      this.feed(vipId, { kind: 'message', now: this.now(), from: effect.to, message: effect.message });
    else if (effect.to === PLATFORM) {
      if (effect.message.kind === 'beat') this.hooks.platformBeat(vipId, effect.message.epoch, effect.message.seq);
    } else {
      const address = entry.addresses.get(effect.to);
      const socket = this.sockets.get(entry.own);
      if (address !== undefined && socket !== undefined && socket !== 'binding')
        socket.send(address, LEASE_PORT, encodeLease(vipId, effect.message));
    }
  }

  private listen(own: string, attempt = 0): void {
    if (this.closed || (attempt === 0 && this.sockets.has(own))) return;
    this.sockets.set(own, 'binding');
    this.ports.datagrams
      .bind(own, LEASE_PORT, (bytes, from, port) => this.receive(bytes, from, port))
      .then(
        (socket) => (this.closed ? socket.close() : void this.sockets.set(own, socket)),
        (error: unknown) => {
          // The overlay address appears only when the interface is up.
          const wait = backoffMs(attempt, () => this.ports.random.unit(), 50, 1_000);
          this.ports.log.debug({ address: own, error: errorMessage(error) }, 'cannot listen for lease beats yet');
          this.ports.timers.after(wait, () => this.listen(own, attempt + 1));
        },
      );
  }

  /**
   * The overlay vouches for the source address: WireGuard drops what does not come from its owner. Workloads there may send
   * under the node's address too, but not from the port that its agent has bound.
   */
  private receive(bytes: Uint8Array, fromAddress: string, fromPort: number): void {
    if (fromPort !== LEASE_PORT) return;
    const decoded = decodeLease(bytes);
    if (decoded === undefined || this.closed) return;
    const { vipId, message } = decoded;
    const address = canonicalAddress(fromAddress);
    if (isHandover(message)) return this.hooks.handover(vipId, message, address);
    const entry = this.entries.get(vipId);
    const from = entry === undefined ? undefined : [...entry.addresses].find(([, a]) => a === address)?.[0];
    if (from !== undefined) this.feed(vipId, { kind: 'message', now: this.now(), from, message });
  }

  private now(): number {
    return this.ports.clock.monotonicMs();
  }
}
