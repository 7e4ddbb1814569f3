import { RefusedError, type Clock } from '#kernel';
import type { ToolCall, ToolHandler, CursorCodec } from '#tools';
import type { Until } from '../recent/last-by.js';
import type { RecentEvents } from '../recent/recent-events.js';
import { readTime } from '../time-travel/time-argument.js';
import type { recentEventsTool } from './definitions.js';

type Tool = typeof recentEventsTool;

/** A position is longer than any time. */
const TIME = /^\s*\d{4}-\d\d-\d\d.{0,30}$/;

export const recentEvents = (
  events: RecentEvents,
  cursors: CursorCodec,
  clock: Pick<Clock, 'wallMs'>,
): ToolHandler<Tool['input'], Tool['output']> => {
  const untilOf = (text: string, { accountId }: ToolCall): Until => {
    if (!TIME.test(text)) return cursors.decode(accountId, text, 'until');
    const read = readTime(text, clock.wallMs(), 'until');
    if (read.kind === 'refused') throw new RefusedError(read.refusal);
    return { timeMs: read.ms };
  };
  return async (input, call) => {
    const after = input.after === undefined ? {} : { after: cursors.decode(call.accountId, input.after) };
    const until = input.until === undefined ? {} : { until: untilOf(input.until, call) };
    const page = await events.find({
      accountId: call.accountId,
      kindPrefix: input.kind_prefix,
      limit: input.limit,
      ...after,
      ...until,
    });
    return {
      events: page.events.map((event) => ({ ...event, severity: event.severity as 'info', links: { ...event.links } })),
      next_cursor: cursors.encode(call.accountId, page.through),
    };
  };
};
