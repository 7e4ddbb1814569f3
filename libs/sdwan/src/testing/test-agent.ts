import type { AgentLiveness } from '#agent-gateway';
import { agentV1, type VipItem } from '#proto';

const { VipAck_Role: Role } = agentV1;
const LONG_LEASE_MS = 3_000;

/** An agent as the platform sees it: it votes, acknowledges, and can die, lose its control link or go deaf to VIP items. */
export class TestAgent {
  alive = true;
  /** Whether its machine answers: that does not take a living agent. */
  answers = true;
  linked = true;
  deaf = false;
  lastBeatMs = 0;
  promised = 0;
  readonly items: VipItem[] = [];
  constructor(readonly instanceId: string) {}
  get holds(): boolean {
    return this.items.at(-1)?.role === 'holder';
  }
}

/** What a voter, or an onlooker where there is no lease, says of a VIP's holder; -1 when it hears nothing of it. */
export const heardMsAgo = (agents: Iterable<TestAgent>, vipId: string, nowMs: number, beatMs: number): number => {
  const itemOf = (agent: TestAgent) => agent.items.filter((item) => item.vip_id === vipId).at(-1);
  const holder = [...agents].find((agent) => itemOf(agent)?.role === 'holder');
  if (holder === undefined) return -1;
  if (itemOf(holder)!.lease === null) return holder.answers ? 0 : -1;
  return holder.alive ? nowMs % beatMs : nowMs - holder.lastBeatMs;
};

/** As which it acknowledges an item that follows another one. */
export const roleOf = (item: VipItem, before: VipItem | undefined): agentV1.VipAck_Role => {
  if (item.role === 'holder') return Role.ROLE_HOLDER;
  return item.release_after_move || before?.role === 'member' ? Role.ROLE_ROUTED : Role.ROLE_RELEASED;
};

/** Judges leases as the gateway does: the short one of VIP candidates makes suspects, the long one has lost. */
export class TestGateway {
  private readonly suspected = new Set<string>();
  private readonly lost = new Set<string>();
  constructor(private readonly lease: { readonly ttlMs: number }) {}

  forget(): void {
    this.suspected.clear();
    this.lost.clear();
  }

  liveness(id: string, agent: TestAgent | undefined, nowMs: number): AgentLiveness {
    const suspected = this.suspected.has(id);
    const silentMs = agent === undefined ? Infinity : nowMs - agent.lastBeatMs;
    const connected = agent?.linked === true && !suspected;
    return { connected, silentMs, suspected, lost: this.lost.has(id), applied: new Map() };
  }

  judge(agent: TestAgent, nowMs: number, isCandidate: boolean) {
    const { instanceId: id } = agent;
    if (agent.alive && agent.linked) {
      agent.lastBeatMs = nowMs;
      const [suspected, lost] = [this.suspected, this.lost].map((known) => known.delete(id));
      return lost === true ? 'onReturned' : suspected === true ? 'onTrusted' : undefined;
    }
    const silentMs = nowMs - agent.lastBeatMs;
    if (silentMs > LONG_LEASE_MS && !this.lost.has(id)) {
      this.suspected.add(id);
      this.lost.add(id);
      return 'onLost';
    }
    if (!isCandidate || this.suspected.has(id) || silentMs <= this.lease.ttlMs) return undefined;
    this.suspected.add(id);
    return 'onSuspected';
  }
}
