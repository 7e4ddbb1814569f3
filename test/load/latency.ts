import { PostgresEventStore, type Position } from '#event-store';
import type { Child } from './child.js';
import type { Operator } from './operator.js';
import type { PlatformUnderLoad } from './platform-process.js';
import { wallMs, type FromAgents, type ToAgents } from './protocol.js';

export type Agents = Child<ToAgents, FromAgents>;

/** Of one push to one template; each list holds one number for each agent, in milliseconds until its receipt. */
export interface Push {
  /** From the moment that the log recorded the call's first event (system.template.module_assigned). */
  readonly fromAppendMs: readonly number[];
  /** From the moment that the operator's request left. */
  readonly fromRequestMs: readonly number[];
  /** From the moment that the log recorded the agent's own event (system.module.assigned). */
  readonly fromOwnEventMs: readonly number[];
}

const PAGE = 500;

/** When the log recorded the events of one round: the template's, and that of each instance. */
const recordedOf = async (store: PostgresEventStore, from: Position, round: number) => {
  const own = new Map<string, number>();
  let call: number | undefined;
  for (let after = from; ;) {
    const batch = await store.readAll(after, { limit: PAGE });
    for (const { type, stream, data, recordedAt } of batch.events) {
      if ((data['config'] as { round?: number } | undefined)?.round !== round) continue;
      if (type === 'system.template.module_assigned') call = Date.parse(recordedAt);
      if (type === 'system.module.assigned') own.set(stream, Date.parse(recordedAt));
    }
    if (batch.through <= after) break;
    after = batch.through;
  }
  if (call === undefined) throw new Error(`the log has no assignment of round ${round}`);
  return { call, own };
};

/** Pushes by real tool calls, measured with the times that the log itself recorded. */
export class Pusher {
  private round = 0;
  private readonly store: PostgresEventStore;

  constructor(
    private readonly operator: Operator,
    private readonly agents: Agents,
    platform: PlatformUnderLoad,
  ) {
    this.store = new PostgresEventStore({ connection: platform.database(), readers: 1 });
  }

  /** Assigns to a template of so many agents and waits until all of them have it. Throws when one has it wrong. */
  async push(template: string, size: number): Promise<Push> {
    const round = ++this.round;
    const from = await this.store.head();
    const expecting = this.agents.next('expecting', (m) => m.round === round);
    this.agents.send({ kind: 'expect', round, count: size });
    await expecting;
    const requested = wallMs();
    const received = this.agents.next('received', (m) => m.round === round);
    const called = this.operator.push(template, round);
    const [{ receipts, problems }] = await Promise.all([received.catch((e) => this.lost(e, round, size)), called]);
    if (problems > 0) throw new Error(`${problems} agents saw a wrong hash or base`);
    const { call, own } = await recordedOf(this.store, from, round);
    return {
      fromAppendMs: receipts.map(({ atMs }) => atMs - call),
      fromRequestMs: receipts.map(({ atMs }) => atMs - requested),
      fromOwnEventMs: receipts.map(({ instanceId, atMs }) => atMs - own.get(instanceId)!),
    };
  }

  /** Tells a push that was lost on its way from one that an agent got and nobody counted. */
  private async lost(cause: unknown, round: number, size: number): Promise<never> {
    const standing = this.agents.next('standing', undefined, 10_000);
    this.agents.send({ kind: 'stand', round });
    const { counted, holding } = await standing;
    const said = `round ${round}: ${counted.length} of ${size} agents sent a receipt, ${holding.length} hold the item`;
    throw new Error(said, { cause });
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

export const percentile = (values: readonly number[], p: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!;
};
