import type { z } from 'zod';
import { nearest, refusal, RefusedError, type Clock } from '#kernel';
import type { Capabilities, EventStore } from '#event-store';
import type { Introspection, ProcessingHost } from '#processing';
import type { ToolHandler } from '#tools';
import type { SealStanding } from '../audit-office.js';
import type { agentIntrospectTool, listAgentsTool, platformHealthTool } from './definitions.js';

/** What the processing host tells of itself. */
export type ProcessingView = Pick<ProcessingHost, 'status' | 'introspect' | 'processManagers'>;
export const PROCESSING_VIEW = Symbol('ProcessingView');

/** What only the process itself knows. */
export interface PlatformFacts {
  readonly version: string;
  readonly startedMs: number;
  /** In words; empty when all is well. */
  problems(): Promise<readonly string[]>;
  /** What is nobody's fault here and needs somebody. */
  warnings(): Promise<readonly string[]>;
  /** The platform's own. */
  certificates(): readonly { readonly name: string; readonly not_after: string }[];
  seals(): Promise<SealStanding>;
}
export const PLATFORM_FACTS = Symbol('PlatformFacts');

type Handler<T extends { readonly input: z.ZodObject; readonly output: z.ZodObject }> = ToolHandler<
  T['input'],
  T['output']
>;

/** Several process managers may work under one agent id; an operator sees them as one. */
const allManagers = async (view: ProcessingView): Promise<Introspection[]> => {
  const found = await Promise.all(view.processManagers().map((name) => view.introspect(name)));
  return found.filter((one) => one !== undefined);
};

const statusOf = (managers: readonly Introspection[]): string => {
  if (managers.some((m) => m.faults.length > 0)) return 'faulted';
  if (managers.some((m) => m.state === undefined)) return 'elsewhere';
  return managers.some((m) => m.lag !== 0) ? 'catching_up' : 'live';
};

const summaryOf = (agentId: string, managers: readonly Introspection[]) => ({
  agent_id: agentId,
  process_managers: managers.map((m) => m.process_manager),
  status: statusOf(managers),
  inputs: managers.reduce((sum, m) => sum + m.inputs, 0),
  lag: managers.some((m) => m.state !== undefined && m.lag === undefined)
    ? null
    : Math.max(...managers.map((m) => m.lag ?? 0)),
});

const byAgent = (managers: readonly Introspection[]): ReadonlyMap<string, readonly Introspection[]> => {
  const ids = [...new Set(managers.map((m) => m.agent_id))];
  return new Map(ids.map((id) => [id, managers.filter((m) => m.agent_id === id)]));
};

export const listAgents =
  (view: ProcessingView): Handler<typeof listAgentsTool> =>
  async () => ({ agents: [...byAgent(await allManagers(view))].map(([id, managers]) => summaryOf(id, managers)) });

const unknownAgent = (agentId: string, ids: readonly string[]): RefusedError => {
  const near = nearest(agentId, ids);
  return new RefusedError(
    refusal(404, 'unknown_agent', `there is no agent ${agentId}`, {
      field: 'agent_id',
      hint: near === undefined ? 'list_agents names them' : `did you mean ${near}?`,
      candidates: ids.map((id) => ({ id })),
    }),
  );
};

export const agentIntrospect =
  (view: ProcessingView): Handler<typeof agentIntrospectTool> =>
  async ({ agent_id, limit }) => {
    const agents = byAgent(await allManagers(view));
    const managers = agents.get(agent_id);
    if (managers === undefined) throw unknownAgent(agent_id, [...agents.keys()]);
    const decided = managers
      .flatMap((m) => m.decisions.map((decision) => ({ process_manager: m.process_manager, ...decision })))
      .sort((a, b) => (BigInt(a.position) < BigInt(b.position) ? -1 : 1))
      .slice(-limit)
      .map(({ position: _, ...rest }) => ({ ...rest, outputs: [...rest.outputs], notes: [...rest.notes] }));
    return {
      agent: { ...summaryOf(agent_id, managers), faults: managers.flatMap((m) => [...m.faults]), decisions: decided },
    };
  };

/** Where positions have gaps, the number of events is nobody's to tell without reading them all. */
const eventStore = ({ adapter, densePositions }: Capabilities, head: bigint) => ({
  adapter,
  ...(densePositions ? { events: Number(head) } : {}),
});

export const platformHealth =
  (
    view: ProcessingView,
    store: EventStore,
    facts: PlatformFacts,
    clock: Pick<Clock, 'monotonicMs'>,
  ): Handler<typeof platformHealthTool> =>
  async () => {
    const { lanes, faults, role, head } = await view.status();
    const parts = lanes.map(({ name, kind, state, behind }) => {
      const error = faults.find((fault) => fault.lane === name)?.error;
      return { name, kind, status: state, lag: behind ?? null, ...(error === undefined ? {} : { fault: error }) };
    });
    const problems = [
      ...faults.map(({ lane, error }) => `${lane} stands still: ${error}`),
      ...(await facts.problems()),
    ];
    const { sealedAt, waitingSince, sealMs } = await facts.seals();
    return {
      status: problems.length === 0 ? ('ok' as const) : ('degraded' as const),
      version: facts.version,
      uptime_seconds: Math.round((clock.monotonicMs() - facts.startedMs) / 1000),
      role,
      event_store: eventStore(store.capabilities, head),
      parts,
      problems,
      warnings: [...(await facts.warnings())],
      certificates: [...facts.certificates()],
      audit: { last_seal_at: sealedAt, waiting_since: waitingSince, seal_seconds: sealMs / 1_000 },
    };
  };
