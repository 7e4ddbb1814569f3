import type { ToolPreviews } from '#tools';
import type { Forks } from './port.js';
import { ALWAYS, storyOf } from './what-if.js';

/** Virtual time that a dry run follows: the handshakes of a VIP move and the first timers, not a whole drain. */
const HORIZON_MS = 60_000;

/** `dry_run` of every changing tool: the call is made on a fork of the log, as what_if does. */
export const forkPreviews = (forks: Forks): ToolPreviews => ({
  preview: async (request) => {
    const outcome = await forks.try({ ...request, horizonMs: HORIZON_MS });
    const { answer } = outcome;
    if (answer.kind === 'refused' && answer.refusal.code === 'unknown_tool') return { kind: 'outside' };
    const { events, vip_moves, nodes_touched } = storyOf(outcome, request.accountId);
    const story = {
      events,
      vip_moves: vip_moves.map((move) => ({ ...move })),
      nodes_touched: nodes_touched.map((node) => ({ ...node })),
      cannot_predict: [...outcome.notes, ...ALWAYS],
      ...(outcome.stoppedEarly === undefined ? {} : { stopped_early: outcome.stoppedEarly }),
    };
    return answer.kind === 'pending' ? { kind: 'pending', story } : { kind: 'ran', answer, story };
  },
});
