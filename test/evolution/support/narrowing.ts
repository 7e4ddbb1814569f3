import { canonicalJson } from '#kernel';
import { alternatives, type JsonSchema, type Plain } from './json-schema.js';

/**
 * Where `now` does not accept, or no longer names, what `frozen` accepted: every such place would refuse, drop or misread
 * events that are in logs already. Empty when `now` is the same or wider.
 */
export const narrowings = (frozen: JsonSchema, now: JsonSchema, path = 'data'): string[] => {
  const offered = alternatives(now);
  return alternatives(frozen).flatMap((old) => {
    const tries = offered.map((candidate) => narrowed(old, candidate, path));
    return tries.some((problems) => problems.length === 0) ? [] : fewest(tries);
  });
};

const fewest = (tries: readonly string[][]): string[] =>
  tries.reduce((best, next) => (next.length < best.length ? next : best));

const narrowed = (old: Plain, now: Plain, path: string): string[] => {
  if (Object.keys(now).length === 0) return [];
  return [
    ...kind(old, now, path),
    ...values(old, now, path),
    ...constraints(old, now, path),
    ...properties(old, now, path),
    ...within(old.items, now.items, `${path}[]`),
    ...tuple(old, now, path),
    ...record(old, now, path),
  ];
};

const kind = (old: Plain, now: Plain, path: string): string[] => {
  if (old.type === now.type || now.type === undefined) return [];
  if (old.type === 'integer' && now.type === 'number') return [];
  return [`${path} was ${old.type ?? 'anything'} and is ${now.type}`];
};

const allowed = ({ const: only, enum: several }: Plain): readonly unknown[] | undefined =>
  only !== undefined ? [only] : several;

const values = (old: Plain, now: Plain, path: string): string[] => {
  const [was, is] = [allowed(old), allowed(now)];
  if (is === undefined) return [];
  if (was === undefined) return [`${path} took any value and now takes ${JSON.stringify(is)} only`];
  return was.filter((value) => !is.includes(value)).map((value) => `${path} no longer takes ${JSON.stringify(value)}`);
};

const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'] as const;
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'] as const;

const constraints = (old: Plain, now: Plain, path: string): string[] => [
  // Values of an enumeration are compared one by one.
  ...(['pattern', 'format'] as const)
    .filter((name) => now[name] !== undefined && now[name] !== old[name] && allowed(old) === undefined)
    .map((name) => `${path} must now be of ${name} ${now[name]}`),
  ...LOWER.filter((name) => (now[name] ?? -Infinity) > (old[name] ?? -Infinity)).map((n) => `${path}: ${n} has risen`),
  ...UPPER.filter((name) => (now[name] ?? Infinity) < (old[name] ?? Infinity)).map((n) => `${path}: ${n} has sunk`),
];

const properties = (old: Plain, now: Plain, path: string): string[] => {
  const [was, is] = [old.properties ?? {}, now.properties ?? {}];
  const isRequired = (schema: Plain, name: string) => schema.required?.includes(name) === true;
  return [
    ...Object.entries(was).flatMap(([name, schema]) =>
      is[name] === undefined ? [`${path}.${name} is gone`] : narrowings(schema, is[name], `${path}.${name}`),
    ),
    ...Object.keys(is)
      .filter((name) => isRequired(now, name) && !isRequired(old, name))
      .map((name) => `${path}.${name} is required now (older events lack it)`),
  ];
};

const within = (old: JsonSchema | undefined, now: JsonSchema | undefined, path: string): string[] => {
  if (now === undefined || old === undefined) return old === undefined && now !== undefined ? [`${path} is new`] : [];
  return narrowings(old, now, path);
};

const tuple = (old: Plain, now: Plain, path: string): string[] => {
  const [was, is] = [old.prefixItems ?? [], now.prefixItems ?? []];
  if (was.length !== is.length) return [`${path} was a tuple of ${was.length} and is one of ${is.length}`];
  return was.flatMap((item, index) => narrowings(item, is[index]!, `${path}[${index}]`));
};

const record = (old: Plain, now: Plain, path: string): string[] => {
  const [was, is] = [old.additionalProperties, now.additionalProperties];
  if (typeof was !== 'object') return [];
  return typeof is === 'object' ? narrowings(was, is, `${path}.*`) : [`${path} no longer takes further keys`];
};

/** Equal but for the order of what has no order. */
export const sameSchema = (a: JsonSchema, b: JsonSchema): boolean => canonicalJson(a) === canonicalJson(b);
