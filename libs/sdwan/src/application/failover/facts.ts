import type { AgentLink } from '#agent-gateway';
import type { SdwanModel } from '../sdwan-model.js';
import type { HolderFacts } from '../../domain/failover/assess.js';
import type { Member } from '../../domain/virtual-ip/state.js';

/** How long a returned agent may take to report an applied section before it counts again anyway. */
const RETURN_GRACE_MS = 5_000;

/** A holder that has not been heard for this long is suspected even if the gateway, newly started, never knew it. */
const UNHEARD_MS = 5_000;

/** What the agents said lately, in memory: it is worth nothing after a restart and is heard again within seconds. */
export class AgentFacts {
  private readonly notReady = new Map<string, number>();
  private readonly returningSince = new Map<string, number>();
  private readonly suspected = new Set<string>();
  private readonly lost = new Set<string>();
  private startedMs: number;

  constructor(
    private readonly model: SdwanModel,
    private readonly link: Pick<AgentLink, 'liveness'>,
    private readonly monotonicMs: () => number,
  ) {
    this.startedMs = monotonicMs();
  }

  health(instanceId: string, ready: boolean): void {
    this.notReady.set(instanceId, ready ? 0 : (this.notReady.get(instanceId) ?? 0) + 1);
  }

  markSuspected(instanceId: string): void {
    this.suspected.add(instanceId);
  }

  /** Heard again on the same stream: it has missed nothing. */
  markTrusted(instanceId: string): void {
    this.suspected.delete(instanceId);
  }

  markLost(instanceId: string): void {
    this.suspected.add(instanceId);
    this.lost.add(instanceId);
    this.notReady.delete(instanceId);
  }

  markConnected(instanceId: string): void {
    this.lost.delete(instanceId);
    if (this.suspected.delete(instanceId)) this.returningSince.set(instanceId, this.monotonicMs());
  }

  markApplied(instanceId: string): void {
    this.returningSince.delete(instanceId);
  }

  /** The lead is taken: agents report here from now on, and everything older is of another time. */
  startAnew(): void {
    for (const known of [this.notReady, this.returningSince, this.suspected, this.lost]) known.clear();
    this.startedMs = this.monotonicMs();
  }

  /** Takes over what another has heard, for a fork that begins where that one is. Clocks must be the same. */
  adopt(other: AgentFacts): void {
    for (const [id, streak] of other.notReady) this.notReady.set(id, streak);
    for (const [id, since] of other.returningSince) this.returningSince.set(id, since);
    for (const id of other.suspected) this.suspected.add(id);
    for (const id of other.lost) this.lost.add(id);
    this.startedMs = other.startedMs;
  }

  of(member: Member): HolderFacts {
    const id = member.instance_id;
    const liveness = this.link.liveness(id);
    const instance = this.model.instances.get(id);
    const streak = this.notReady.get(id);
    const returning = this.returningSince.get(id);
    const silentMs = Math.min(liveness.silentMs, this.monotonicMs() - this.startedMs);
    const lost = liveness.lost || this.lost.has(id);
    const unheard = !liveness.connected && silentMs > UNHEARD_MS;
    const suspected = lost || unheard || liveness.suspected === true || this.suspected.has(id);
    return {
      member,
      live: liveness.connected && !suspected,
      suspected,
      lost,
      draining: instance?.draining ?? false,
      gone: (instance?.gone ?? false) || this.model.peer(member.peer_id) === undefined,
      returning: returning !== undefined && this.monotonicMs() - returning < RETURN_GRACE_MS,
      health: streak === undefined ? 'unknown' : streak === 0 ? 'ready' : 'not_ready',
      notReadyStreak: streak ?? 0,
    };
  }
}
