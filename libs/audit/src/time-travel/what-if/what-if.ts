import { categoryOf, refusal, RefusedError } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { toDecided } from '#processing';
import { toolError, type CursorCodec, type ToolAnswer, type ToolHandler, type ToolRegistry } from '#tools';
import type { whatIfTool } from './definition.js';
import { diffDesired } from './desired-diff.js';
import type { ForkOutcome, Forks } from './port.js';
import { vipMoves } from './vip-moves.js';

type Tool = typeof whatIfTool;

/** Always true of a fork, whatever is tried in it. */
export const ALWAYS = [
  'what nodes report afterwards: installs, phases, keys, health; no agent runs in a fork',
  'ids, tokens and keys that would be made: those shown are placeholders',
  'what was under way before: timers that were set and commands that were sent, of what this call does not touch',
];

export const whatIf =
  (
    forks: Forks,
    registry: Pick<ToolRegistry, 'describe'>,
    cursors: CursorCodec,
  ): ToolHandler<Tool['input'], Tool['output']> =>
  async (input, call) => {
    const tool = registry.describe(input.tool, call.permissions);
    if (tool.danger === 'read') {
      const hint = `call ${tool.name} itself`;
      throw new RefusedError(
        refusal(422, 'nothing_to_predict', `${tool.name} changes nothing`, { field: 'tool', hint }),
      );
    }
    const outcome = await forks.try({
      tool: tool.name,
      arguments: input.arguments,
      accountId: call.accountId,
      operatorId: call.context.actor.id,
      permissions: call.permissions,
      horizonMs: input.horizon_seconds * 1_000,
      signal: call.signal,
    });
    const { answer } = outcome;
    return {
      tool: tool.name,
      outcome: outcomeOf(answer),
      ...(answer.kind === 'refused' ? { refusal: { ...toolError(answer.refusal) } } : {}),
      warnings:
        answer.kind === 'ok' && Array.isArray(answer.data['warnings']) ? answer.data['warnings'].map(String) : [],
      answered_after_ms: Math.round(outcome.answeredAfterMs),
      horizon_seconds: input.horizon_seconds,
      forked_at: cursors.encode(call.accountId, outcome.forkedAt),
      ...storyOf(outcome, call.accountId),
      cannot_predict: [...outcome.notes, ...ALWAYS],
      ...(outcome.stoppedEarly === undefined ? {} : { stopped_early: outcome.stoppedEarly }),
    };
  };

const outcomeOf = (answer: ToolAnswer | { readonly kind: 'pending' }) => {
  if (answer.kind === 'consent') throw new Error('a fork asks nobody');
  if (answer.kind !== 'ok') return answer.kind;
  return answer.data['outcome'] === 'nothing' ? ('nothing' as const) : ('done' as const);
};

/** Only of the caller's account: other accounts' virtual IPs may move in a fork as well. */
export const storyOf = (outcome: ForkOutcome, accountId: string) => {
  const own = outcome.events.filter((event) => event.meta.accountId === accountId);
  const isInbox = (event: RecordedEvent) => categoryOf(event.stream).startsWith('pm_');
  const atMs = (event: RecordedEvent) => Math.max(0, Math.round(Date.parse(event.recordedAt) - outcome.startedMs));
  const first = own.find((event) => event.meta.actor.kind === 'operator');
  const causedBy = (event: RecordedEvent) =>
    event.meta.correlationId === first?.meta.correlationId ? ('call' as const) : ('other' as const);
  return {
    events: own
      .filter((event) => !isInbox(event))
      .map((event) => ({
        at_ms: atMs(event),
        kind: event.type,
        stream: event.stream,
        payload: { ...event.data },
        severity: event.meta.severity,
        links: { ...event.meta.links } as Record<string, string>,
        actor: { ...event.meta.actor },
        caused_by: causedBy(event),
      })),
    decisions: own.filter(isInbox).map((event) => {
      const { instance, input, outputs, notes } = toDecided(event);
      const process_manager = categoryOf(event.stream).slice('pm_'.length);
      return {
        at_ms: atMs(event),
        process_manager,
        instance,
        input: input.of,
        outputs: [...outputs],
        notes: [...notes],
      };
    }),
    nodes_touched: outcome.nodes
      .filter((node) => node.accountId === accountId)
      .map(({ instanceId, before, after }) => ({
        instance_id: instanceId,
        name: outcome.names.get(instanceId) ?? null,
        sections: diffDesired(before, after),
      }))
      .filter((node) => node.sections.length > 0)
      .sort((a, b) => ((a.name ?? a.instance_id) < (b.name ?? b.instance_id) ? -1 : 1)),
    vip_moves: vipMoves(own, atMs),
  };
};
