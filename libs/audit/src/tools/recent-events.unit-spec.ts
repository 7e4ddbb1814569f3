import { position } from '#event-store';
import { CursorCodec, type ToolCall } from '#tools';
import type { RecentQuery } from '../recent/recent-events.js';
import { recentEvents } from './recent-events.js';

const NOW = Date.UTC(2026, 10, 20, 10);
const cursors = new CursorCodec(new Uint8Array(32));

/** What is looked for in the log where somebody asks until then. */
const asked = async (until: string) => {
  let found: RecentQuery | undefined;
  const recent = {
    find: async (query: RecentQuery) => {
      found = query;
      return { events: [], through: position(0) };
    },
  };
  const answer = recentEvents(recent, cursors, { wallMs: () => NOW });
  await answer({ kind_prefix: '', limit: 50, until }, { accountId: 'a' } as ToolCall);
  return found?.until;
};

it('takes a position that was told, or a time with its zone', async () => {
  expect(await asked(cursors.encode('a', position(7)))).toBe(7n);
  expect(await asked('2026-11-20T09:00:00Z')).toEqual({ timeMs: NOW - 3_600_000 });
  expect(await asked('2026-11-20T10:00:00.250+01:00')).toEqual({ timeMs: NOW - 3_600_000 + 250 });
});

it.each([
  ['2026-11-20T09:00:00', 'time_without_zone'],
  ['2026-11-21T09:00:00Z', 'time_in_future'],
  ['2026-02-30T09:00:00Z', 'invalid_time'],
  ['yesterday', 'invalid_cursor'],
])('refuses %s, by its field', async (until, code) => {
  await expect(asked(until)).rejects.toMatchObject({ refusal: { code, field: 'until' } });
});
