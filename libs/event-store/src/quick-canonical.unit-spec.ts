import fc from 'fast-check';
import { canonicalJson } from '#kernel';
import { quickCanonicalJson } from './quick-canonical.js';

/** The text, or that there is none. */
const outcome = (serialise: (value: unknown) => string, value: unknown): string => {
  try {
    return serialise(value);
  } catch {
    return 'refused';
  }
};

it('gives the text of canonicalJson for whatever JSON can hold', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      expect(quickCanonicalJson(value)).toBe(canonicalJson(value));
    }),
    { numRuns: 2_000 },
  );
});

it('agrees with canonicalJson on everything else too: the same text or a refusal from both', () => {
  const anything = fc.anything({
    withDate: true,
    withMap: true,
    withBigInt: true,
    withNullPrototype: true,
  });
  fc.assert(
    fc.property(anything, (value) => {
      expect(outcome(quickCanonicalJson, value)).toBe(outcome(canonicalJson, value));
    }),
    { numRuns: 5_000 },
  );
});

it.each([
  [{ b: 1, a: { '10': 1, '9': 2, '': 3 } }],
  [[-0, 1e21, 1e-7, 0.1, 5e-324]],
  [{ ü: 'ä', '\u20ac': '\r', '\ufb33': '🚀', '1': 'one', '\u0080': 'control', '😂': 'smiley' }],
  [{ a: undefined, b: [undefined, null] }],
  ['half a pair: \ud800'],
  [Number.NaN],
  [undefined],
  [JSON.parse('{"__proto__":{"a":1},"a":2}')],
])('agrees with canonicalJson on %p', (value) => {
  expect(outcome(quickCanonicalJson, value)).toBe(outcome(canonicalJson, value));
});

it.each([[[() => 1]], [{ a: () => 1 }], [[1, , 2]], [{ text: '🚀', holes: [1, , 2] }]])(
  'refuses what would be stored unreadable: %p',
  (value) => {
    expect(() => quickCanonicalJson(value)).toThrow();
  },
);
