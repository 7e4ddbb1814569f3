import { refusal, type Refusal } from '#kernel';

/** What no store takes: NUL, and half of a character (a surrogate without the other). */
const MALFORMED = /[\0\p{Cs}]/u;
/** Deeper than any schema here; what folds and digests arguments goes down as deep as they are. */
const DEEPEST = 64;
const SHOWN = 80;

const shown = (field: string): string =>
  (field.length > SHOWN ? `${field.slice(0, SHOWN)}…` : field).replace(new RegExp(MALFORMED, 'gu'), '\ufffd');

const malformed = (field: string): Refusal =>
  refusal(400, 'invalid_parameter', `${shown(field)}: holds a NUL character, or half of a character`, {
    field: shown(field),
    hint: 'leave out U+0000 and surrogates without their other half',
  });

const tooDeep = (field: string): Refusal =>
  refusal(400, 'invalid_parameter', `${shown(field)}: is nested more than ${DEEPEST} deep`, { field: shown(field) });

/** The first text, at any depth, that is none: refused where it comes in, for what takes it later fails in its own words. */
export const malformedText = (value: unknown, field = '', depth = 0): Refusal | undefined => {
  if (typeof value === 'string') return MALFORMED.test(value) ? malformed(field || 'arguments') : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > DEEPEST) return tooDeep(field);
  for (const [key, inner] of Object.entries(value)) {
    const path = Array.isArray(value) ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`;
    const found = MALFORMED.test(key) ? malformed(path) : malformedText(inner, path, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
};
