import { foreignText } from './foreign-text.js';

describe('text of machines that others own', () => {
  it('is one line of what shows', () => {
    expect(foreignText('  a\r\nb\t c\u0000\u001b[2J\u202e\u200b\u{e0041}\ud800 ')).toBe('a b c[2J');
  });

  it('is cut, and says so, also where most of it does not show', () => {
    expect(foreignText('x'.repeat(301))).toBe(`${'x'.repeat(299)}…`);
    expect(foreignText('x'.repeat(300))).toHaveLength(300);
    expect(foreignText('\u200b'.repeat(50_000_000))).toBe('…');
  });

  it('keeps no half of a character at its end', () => {
    const cut = foreignText('🚀'.repeat(300), 10);
    expect(cut).toBe(`${'🚀'.repeat(4)}…`);
  });

  it('is nothing where it is no text', () => {
    const none: readonly unknown[] = [undefined, null, {}, [], { toString: 1 }, true];
    expect(none.map((said) => foreignText(said))).toEqual(none.map(() => ''));
  });
});
