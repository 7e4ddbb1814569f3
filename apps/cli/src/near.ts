import { distance } from 'fastest-levenshtein';

/** The choice that was most likely meant, if any is near enough. */
export const near = (wanted: string, choices: Iterable<string>): string | undefined =>
  [...new Set(choices)]
    .map((choice) => ({ choice, d: distance(wanted, choice) }))
    .filter(({ choice, d }) => (wanted !== '' && choice.includes(wanted)) || d <= (wanted.length < 4 ? 1 : 2))
    .sort((a, b) => a.d - b.d)[0]?.choice;
