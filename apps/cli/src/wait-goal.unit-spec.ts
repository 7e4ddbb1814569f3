import { durationMs } from './call-flags.js';
import { verdict } from './wait-goal.js';
import { changes, markChanged } from './watch-changes.js';

const ready = (status: string) => [{ type: 'Ready', status }];
const running = { kind: 'state', state: 'running' } as const;

it('is met, waits, or can never be', () => {
  expect(verdict(running, { state: 'running' }).kind).toBe('met');
  expect(verdict(running, { state: 'starting' }).kind).toBe('waiting');
  expect(verdict(running, { state: 'lost' }).kind).toBe('waiting');
  expect(verdict(running, { state: 'error', last_error: 'no disk', next_action: 'forget it' })).toEqual({
    kind: 'never',
    state: 'error',
    error: 'no disk',
    next: 'forget it',
  });
  expect(verdict({ kind: 'state', state: 'terminated' }, { state: 'terminated' }).kind).toBe('met');
  expect(verdict(running, undefined).kind).toBe('gone');
});

it('takes ready as the condition that everything has', () => {
  const goal = { kind: 'state', state: 'ready' } as const;
  expect(verdict(goal, { state: 'running', conditions: ready('true') }).kind).toBe('met');
  expect(verdict(goal, { state: 'starting', conditions: ready('false') }).kind).toBe('waiting');
  const not = { kind: 'condition', type: 'ready', holds: false } as const;
  expect(verdict(not, { state: 'starting', conditions: ready('false') }).kind).toBe('met');
});

it('waits for what is gone', () => {
  expect(verdict({ kind: 'deleted' }, undefined).kind).toBe('met');
  expect(verdict({ kind: 'deleted' }, { state: 'draining' }).kind).toBe('waiting');
  // It is told of for good, and is no more.
  expect(verdict({ kind: 'deleted' }, { state: 'terminated' }).kind).toBe('met');
  expect(verdict({ kind: 'deleted' }, { status: 'removed' }).kind).toBe('met');
});

it.each([
  ['90', 90_000],
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['250ms', 250],
])('--timeout %s', (text, ms) => {
  expect(durationMs(text, '--timeout')).toBe(ms);
});

it.each(['', 'soon', '5 m', '-5s', '5d'])('--timeout %j is refused', (text) => {
  expect(() => durationMs(text, '--timeout')).toThrow(expect.objectContaining({ exitCode: 2 }));
});

describe('what a watch tells', () => {
  const rows = (...of: [string, string][]) => new Map(of.map(([id, state]) => [id, { id, state }]));
  it('is each change once', () => {
    const found = changes(
      rows(['a', '1'], ['b', '1'], ['c', '1']),
      rows(['a', '1'], ['b', '2'], ['d', '1']),
      new Set(),
    );
    expect(found.map(({ change, id }) => [change, id])).toEqual([
      ['changed', 'b'],
      ['added', 'd'],
      ['removed', 'c'],
    ]);
  });

  it('begins with the list, and after a cursor with what the events since then touched', () => {
    const now = rows(['a', '1'], ['b', '1']);
    expect(changes(undefined, now, new Set()).map(({ change }) => change)).toEqual(['listed', 'listed']);
    expect(changes(undefined, now, new Set(['b', 'x'])).map(({ change, id }) => [change, id])).toEqual([
      ['changed', 'b'],
    ]);
  });

  it('marks the cells that changed', () => {
    const marked = markChanged(['ID  STATE', 'a  one', 'b  one'], ['ID  STATE', 'a  one', 'b  two']);
    expect(marked).toEqual(['ID  STATE', 'a  one', 'b  \x1b[7mtwo\x1b[27m']);
  });
});
