import type { z } from 'zod';
import { nearest, refusal, RefusedError, type Candidate, type Refusal } from '#kernel';

type Arguments = Readonly<Record<string, unknown>>;

/** Brings other spellings of arguments to their names and says which; both spellings with different values are refused. */
export const normaliseAliases = (
  given: Arguments,
  aliases: Readonly<Record<string, string>>,
  known: ReadonlySet<string>,
): { readonly named: Record<string, unknown>; readonly normalised: Record<string, string> } => {
  // Without a prototype: `__proto__` is a parameter like any other, and unknown.
  const named = Object.create(null) as Record<string, unknown>;
  const normalised: Record<string, string> = {};
  for (const [key, value] of Object.entries(given)) {
    const name = known.has(key) || !Object.hasOwn(aliases, key) ? key : aliases[key]!;
    if (name !== key) {
      normalised[key] = name;
      if (Object.hasOwn(given, name) && JSON.stringify(given[name]) !== JSON.stringify(value)) {
        throw new RefusedError(
          refusal(400, 'ambiguous_parameter', `${key} and ${name} name the same parameter but differ`, {
            field: key,
            hint: `give only ${name}`,
          }),
        );
      }
    }
    named[name] = value;
  }
  return { named, normalised };
};

/** The layers of a schema that change neither its keys nor what the caller writes. */
const unwrap = (schema: z.core.$ZodType): z.core.$ZodType => {
  const def = schema._zod.def as { type: string; innerType?: z.core.$ZodType; in?: z.core.$ZodType };
  if (def.type === 'pipe' && def.in !== undefined) return unwrap(def.in);
  return def.innerType === undefined ? schema : unwrap(def.innerType);
};

const objectShape = (schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined => {
  const def = unwrap(schema)._zod.def as { type: string; shape?: Record<string, z.core.$ZodType>; catchall?: unknown };
  const catchall = def.catchall as z.core.$ZodType | undefined;
  const open = catchall !== undefined && catchall._zod.def.type !== 'never';
  return def.type === 'object' && !open ? def.shape : undefined;
};

/** The first argument, at any depth, that the schema does not know: a typing slip must never be dropped in silence. */
export const unknownParameter = (
  schema: z.core.$ZodType,
  value: unknown,
  aliases: Readonly<Record<string, string>> = {},
  path = '',
): Refusal | undefined => {
  if (Array.isArray(value)) {
    const element = (unwrap(schema)._zod.def as { element?: z.core.$ZodType }).element;
    if (element === undefined) return undefined;
    return value
      .map((item, i) => unknownParameter(element, item, {}, `${path}[${i}]`))
      .find((found) => found !== undefined);
  }
  const shape = objectShape(schema);
  if (shape === undefined || typeof value !== 'object' || value === null) return undefined;
  const known = Object.keys(shape);
  for (const [key, inner] of Object.entries(value)) {
    const field = path === '' ? key : `${path}.${key}`;
    if (!Object.hasOwn(shape, key)) return unknownKey(field, key, known, aliases);
    const nested = unknownParameter(shape[key]!, inner, {}, field);
    if (nested !== undefined) return nested;
  }
  return undefined;
};

const unknownKey = (
  field: string,
  key: string,
  known: readonly string[],
  aliases: Readonly<Record<string, string>>,
): Refusal => {
  const near = nearest(key, [...known, ...Object.keys(aliases)]);
  const hint =
    near !== undefined ? `did you mean ${near}?` : known.length > 0 ? `known: ${known.join(', ')}` : 'it takes none';
  return refusal(400, 'unknown_parameter', `${field}: there is no such parameter`, {
    field,
    hint,
    ...(near === undefined ? {} : { candidates: [{ id: near }] }),
  });
};

const fieldOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, part) => (typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined),
    value,
  );

/** Every problem in one message; field, hint and candidates are those of the first. */
export const inputRefusal = (error: z.core.$ZodError, given: unknown): Refusal => {
  const problems = error.issues.map((issue) => describe(issue, given));
  const first = problems[0]!;
  const message = problems.map((p) => `${p.field === '' ? 'arguments' : p.field}: ${p.reason}`).join('; ');
  return refusal(400, first.code, message, {
    ...(first.field === '' ? {} : { field: first.field }),
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    ...(first.candidates === undefined ? {} : { candidates: first.candidates }),
  });
};

interface Problem {
  readonly code: string;
  readonly field: string;
  readonly reason: string;
  readonly hint?: string;
  readonly candidates?: readonly Candidate[];
}

const describe = (issue: z.core.$ZodIssue, given: unknown): Problem => {
  const field = fieldOf(issue.path);
  const actual = valueAt(given, issue.path);
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map(String);
    const near = typeof actual === 'string' ? nearest(actual, choices) : undefined;
    return {
      code: actual === undefined ? 'missing_parameter' : 'invalid_parameter',
      field,
      reason: actual === undefined ? 'is required' : `must be one of ${choices.join(', ')}`,
      hint: near === undefined ? `one of ${choices.join(', ')}` : `did you mean ${near}?`,
      candidates: choices.map((id) => ({ id })),
    };
  }
  if (actual === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_union')) {
    const hint = issue.code === 'invalid_type' ? `give a ${issue.expected}` : undefined;
    return { code: 'missing_parameter', field, reason: 'is required', ...(hint === undefined ? {} : { hint }) };
  }
  if (issue.code === 'invalid_type') {
    const got = actual === null ? 'null' : Array.isArray(actual) ? 'array' : typeof actual;
    return { code: 'invalid_parameter', field, reason: `must be ${issue.expected}, not ${got}` };
  }
  if (issue.code === 'too_small') {
    return { code: 'invalid_parameter', field, reason: boundReason('least', issue.origin, issue.minimum) };
  }
  if (issue.code === 'too_big') {
    return { code: 'invalid_parameter', field, reason: boundReason('most', issue.origin, issue.maximum) };
  }
  return { code: 'invalid_parameter', field, reason: issue.message };
};

const boundReason = (side: 'least' | 'most', origin: string, bound: number | bigint): string => {
  const unit = { string: ' characters', array: ' items', record: ' entries' }[origin];
  return unit === undefined ? `must be at ${side} ${bound}` : `must have at ${side} ${bound}${unit}`;
};
