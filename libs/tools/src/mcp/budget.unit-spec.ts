import { MAX_ANSWER_BYTES, narrowBy, sizeOf, withinBudget } from './budget.js';
import { plainText } from '#kernel';
import { plain } from './plain-text.js';

const items = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, id) => ({ id, text: 'x'.repeat(bytes) }));

describe('the budget of an answer', () => {
  it.each([0, 1, 500, 1_000, 5_001])('keeps whole items of %i, and says what is left out', (count) => {
    const things = items(count, 100);
    const cut = withinBudget({ things, next_cursor: 'c' }, ['state']);
    expect(sizeOf(cut)).toBeLessThanOrEqual(MAX_ANSWER_BYTES);
    const shown = cut['things'] as typeof things;
    expect(shown).toEqual(things.slice(0, shown.length));
    if (shown.length === count) return expect(cut).toEqual({ things, next_cursor: 'c' });
    const left = {
      truncated: true,
      next_cursor: null,
      narrow_by: ['state'],
      omitted: { things: count - shown.length },
    };
    expect(cut).toMatchObject(left);
    // One more would not have fitted.
    expect(sizeOf({ ...cut, things: things.slice(0, shown.length + 20) })).toBeGreaterThan(MAX_ANSWER_BYTES - 1_000);
  });

  it('cuts inside the one item that is too large, and texts that are too long', () => {
    const cut = withinBudget({ story: { steps: items(2_000, 100) }, log: 'y'.repeat(500_000) }, []);
    expect(sizeOf(cut)).toBeLessThanOrEqual(MAX_ANSWER_BYTES);
    expect(cut['omitted']).toEqual({ 'story.steps': expect.any(Number) });
  });

  it('names the arguments that make it smaller', () => {
    const properties = { limit: {}, state: {}, cursor: {}, dry_run: {} };
    expect(narrowBy({ input_schema: { type: 'object', properties } })).toEqual(['limit', 'state']);
  });
});

describe('text that others wrote', () => {
  it('holds nothing that cannot be seen', () => {
    expect(plainText('a\u0000b\u001b[31mc\u200bd\u202ee\u{e0041}f\ud800g\nh\ti')).toBe('ab[31mcdefg\nh\ti');
    expect(plain({ 'k\u200b': ['\u2066x'], n: 1, z: null })).toEqual({ k: ['x'], n: 1, z: null });
  });
});
