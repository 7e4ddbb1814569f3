import type { AgentLink } from '#agent-gateway';
import type { agentV1 } from '#proto';
import type { SdwanModel } from '../sdwan-model.js';

interface Grant {
  readonly epoch: number;
  readonly holder: string;
  readonly untilMs: number;
}

/**
 * The platform's vote, where the number of candidates is even. The same rules as an agent's: never below a promise, and
 * nothing to another holder while an older grant may still count. What an earlier life of the platform granted is not
 * known, so for one TTL after the start every other epoch has to wait.
 */
export class PlatformVoter {
  private readonly promised = new Map<string, number>();
  private readonly grants = new Map<string, Grant>();
  private startedMs: number;

  constructor(
    private readonly model: SdwanModel,
    private readonly link: Pick<AgentLink, 'sendPriority'>,
    private readonly monotonicMs: () => number,
    private readonly ttlMs: number,
  ) {
    this.startedMs = monotonicMs();
  }

  promise(vipId: string, epoch: number): void {
    this.promised.set(vipId, Math.max(epoch, this.promised.get(vipId) ?? 0));
  }

  /** The lead is taken: what the process that had it granted may still be in use, as after a start. */
  startAnew(): void {
    this.grants.clear();
    this.startedMs = this.monotonicMs();
  }

  /** As AgentFacts.adopt. */
  adopt(other: PlatformVoter): void {
    for (const [vipId, epoch] of other.promised) this.promised.set(vipId, epoch);
    for (const [vipId, grant] of other.grants) this.grants.set(vipId, grant);
    this.startedMs = other.startedMs;
  }

  /** For how long a grant below `epoch` may still be in use. */
  outstandingMs(vipId: string, epoch: number): number {
    const grant = this.grants.get(vipId);
    const until = grant === undefined ? this.startedMs + this.ttlMs : grant.epoch < epoch ? grant.untilMs : -Infinity;
    return Math.max(0, until - this.monotonicMs());
  }

  /** `moving`: the move that runs now, which the model may not have heard of yet. */
  onBeat(instanceId: string, beat: agentV1.LeaseBeat, moving: { epoch: number; to: string } | undefined): void {
    const epoch = Number(beat.epoch);
    const now = this.monotonicMs();
    const known = this.model.virtualIp(beat.vipId)?.vip;
    const holder =
      moving?.epoch === epoch
        ? moving.to
        : known?.move?.epoch === epoch
          ? known.move.to.instance_id
          : known?.holderEpoch === epoch
            ? known.holder?.instance_id
            : undefined;
    if (known === undefined || holder !== instanceId) return;
    if (epoch < Math.max(this.promised.get(beat.vipId) ?? 0, known.epoch)) return;
    const same = this.grants.get(beat.vipId);
    const stands = same !== undefined && same.epoch === epoch && same.holder === instanceId;
    const inForce = same === undefined && known.holderEpoch === epoch;
    if (!stands && !inForce && this.outstandingMs(beat.vipId, epoch) > 0) return;
    this.promise(beat.vipId, epoch);
    this.grants.set(beat.vipId, { epoch, holder: instanceId, untilMs: now + this.ttlMs });
    const value = { vipId: beat.vipId, epoch: beat.epoch, seq: beat.seq };
    this.link.sendPriority(instanceId, { message: { $case: 'leaseConfirm', value } });
  }
}
