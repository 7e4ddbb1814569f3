import type { ToolHandler, CursorCodec } from '#tools';
import type { RecentEvents } from '../recent/recent-events.js';
import type { recentEventsTool } from './definitions.js';

type Tool = typeof recentEventsTool;

export const recentEvents =
  (events: RecentEvents, cursors: CursorCodec): ToolHandler<Tool['input'], Tool['output']> =>
  async (input, call) => {
    const after = input.after === undefined ? {} : { after: cursors.decode(call.accountId, input.after) };
    const until = input.until === undefined ? {} : { until: cursors.decode(call.accountId, input.until, 'until') };
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
