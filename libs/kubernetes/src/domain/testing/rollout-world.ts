import { acceptedNow } from '../upgrade/advice.js';
import { rolloutDecider, type RolloutCommand } from '../upgrade/decide.js';
import type { PlannedNode, RolloutOptions } from '../upgrade/events.js';
import { nextActions, type Facts, type NodeFacts } from '../upgrade/next.js';
import { isActive, isFinished, isKnown, type Rollout, type RolloutEvent, type RolloutState } from '../upgrade/state.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001' as never;
export const OLD = 'old';
export const NEW = 'new';
export const OPTIONS: RolloutOptions = {
  max_unavailable: 2,
  canary: 1,
  canary_soak_seconds: 5,
  drain: true,
  drain_timeout_seconds: 30,
  node_timeout_seconds: 60,
};

interface Machine {
  running: string;
  want: string;
  drain: 'none' | 'draining' | 'drained';
  cordoned: boolean;
  /** What it does when it is told to change. */
  broken: boolean;
  sick: boolean;
  gone: boolean;
}

/** A cluster on paper, whose machines do what they are told in their own time. */
export class RolloutWorld {
  state: RolloutState = rolloutDecider.initial;
  readonly events: RolloutEvent[] = [];
  readonly machines = new Map<string, Machine>();
  nowMs = 1_000_000;

  constructor(servers: number, workers: number, options: RolloutOptions) {
    const nodes: PlannedNode[] = [];
    for (let n = 0; n < servers + workers; n++) {
      const role = n < servers ? ('server' as const) : ('agent' as const);
      const instance_id = `instance-00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as never;
      const canary = n === 0 || (n >= servers && n < servers + options.canary);
      const name = `n${n}`;
      nodes.push({ instance_id, name, role, canary, from_version: OLD, from_version_id: null, was_drained: false });
      const machine = { running: OLD, want: OLD, drain: 'none' as const, cordoned: false };
      this.machines.set(instance_id, { ...machine, broken: false, sick: false, gone: false });
    }
    const change = { kind: 'upgrade' as const, version: NEW, version_id: 'v', from_version_id: null };
    this.do({ kind: 'start', plan: { cluster_id: CLUSTER, at_ms: this.nowMs, change, options, nodes } });
  }

  get rollout(): Rollout {
    if (!isKnown(this.state)) throw new Error('not started');
    return this.state;
  }

  do(command: RolloutCommand): string {
    const decision = rolloutDecider.decide(command, this.state);
    if (decision.kind !== 'accept') return decision.kind;
    for (const event of decision.events) {
      this.events.push(event);
      this.state = rolloutDecider.evolve(this.state, event);
      if (event.type === 'system.k3s.rollout.node_progressed' && event.data.phase === 'changing')
        this.machines.get(event.data.instance_id)!.want = event.data.direction === 'forward' ? NEW : OLD;
    }
    return 'accept';
  }

  facts(): Facts {
    const { direction } = this.rollout;
    return new Map(
      [...this.machines].map(([id, m]): [string, NodeFacts] => {
        const goal = direction === 'forward' ? NEW : OLD;
        const touched = this.rollout.nodes.find((n) => n.instanceId === id)!;
        const expected = touched.phase === 'pending' ? m.running : goal;
        return [
          id,
          {
            member: !m.gone,
            drain: m.drain,
            cordoned: m.cordoned,
            changed: m.running === goal && m.want === goal,
            healthy: !m.sick && !m.gone && m.running === expected,
            detail: m.sick ? 'sick' : '',
            failure: m.broken && m.want !== m.running ? 'does not start' : null,
          },
        ];
      }),
    );
  }

  /** One round of a platform that looked at `state` and `facts` a while ago: it may be one of two. */
  advance(state = this.rollout, facts = this.facts(), until = Infinity): void {
    let made = 0;
    for (const action of nextActions(state, facts, this.nowMs)) {
      if (made++ >= until) return;
      if (action.kind === 'drain') this.machine(action.node.instanceId).drain = 'draining';
      else if (action.kind === 'uncordon') {
        const machine = this.machine(action.node.instanceId);
        machine.drain = 'none';
        machine.cordoned = false;
      } else if (action.kind === 'resume') this.do({ kind: 'resume', byItself: true });
      else this.do({ kind: 'step', run: state.run, action, atMs: this.nowMs });
      this.check();
    }
  }

  machine(id: string): Machine {
    return this.machines.get(id)!;
  }

  /** Time passes: drains end, programs start. */
  live(): void {
    this.nowMs += 2_000;
    for (const m of this.machines.values()) {
      if (m.drain === 'draining') {
        m.drain = 'drained';
        m.cordoned = true;
      }
      if (!m.broken || m.want === OLD) m.running = m.want;
    }
  }

  /** What must hold at every moment. */
  check(): void {
    // Advice names what would be done.
    for (const kind of acceptedNow(this.rollout)) {
      const command = kind === 'rollback' ? ({ kind, late: [] } as const) : ({ kind } as const);
      expect([kind, rolloutDecider.decide(command, this.state).kind]).toEqual([kind, 'accept']);
    }
    const { nodes, options, direction } = this.rollout;
    const away = nodes.filter(isActive);
    expect(away.filter((n) => n.role === 'server').length).toBeLessThanOrEqual(1);
    expect(away.filter((n) => n.role === 'agent').length).toBeLessThanOrEqual(options.max_unavailable);
    const changed = (n: { instanceId: string }) => this.machine(n.instanceId).want === NEW;
    const members = nodes.filter((n) => !this.machine(n.instanceId).gone);
    const servers = members.filter((n) => n.role === 'server');
    // No kubelet is newer than a server, on the way there and on the way back.
    if (members.some((n) => n.role === 'agent' && changed(n))) expect(servers.every(changed)).toBe(true);
    if (direction === 'forward' && nodes.some((n) => n.role === 'agent' && isActive(n)))
      expect(servers.every((n) => n.phase === 'done')).toBe(true);
  }

  begun(): string[] {
    return this.events.flatMap((e) =>
      e.type === 'system.k3s.rollout.node_progressed' && e.data.phase === 'draining' ? [e.data.instance_id] : [],
    );
  }

  run(rounds = 300): void {
    for (let i = 0; i < rounds && !isFinished(this.rollout) && this.rollout.status !== 'stopped'; i++) {
      this.live();
      this.advance();
    }
  }
}

/** The short names of nodes, by their ids. */
export const names = (ids: readonly string[]) => ids.map((id) => `n${Number(id.slice(-12))}`);
