import { secretWord } from '#kernel';
import { alternatives, type JsonSchema } from '../../evolution/support/json-schema.js';

/** Why a field whose name or form is suspicious holds no secret all the same. */
export interface Exception {
  /** Kind of event or name of tool and the path in it; `*` for any kind: the last name of the path alone then counts. */
  readonly field: string;
  readonly reason: string;
}

export interface Suspicion {
  readonly owner: string;
  readonly path: string;
  readonly why: string;
}

/** What a reader cannot tell from the schema: a value of any form may hold anything. */
const isOpen = (schema: JsonSchema): boolean =>
  alternatives(schema).some(
    (option) =>
      (option.type === undefined && option.enum === undefined && option.const === undefined) ||
      (option.type === 'object' && option.properties === undefined) ||
      (option.type === 'object' && option.properties !== undefined && openBesides(option.additionalProperties)),
  );
const openBesides = (further: JsonSchema | boolean | undefined): boolean => further !== undefined && further !== false;

/** A number, a flag or one of a few known words is no secret, whatever it is called. */
const holdsText = (schema: JsonSchema): boolean =>
  alternatives(schema).some(
    ({ type, enum: several, const: only }) =>
      several === undefined && only === undefined && !['null', 'boolean', 'integer', 'number'].includes(type ?? ''),
  );

const inside = (owner: string, schema: JsonSchema, path: string): Suspicion[] =>
  alternatives(schema).flatMap((option) => [
    ...Object.entries(option.properties ?? {}).flatMap(([name, inner]) => field(owner, inner, `${path}.${name}`, name)),
    ...(option.items === undefined ? [] : inside(owner, option.items, `${path}[]`)),
    ...(option.prefixItems ?? []).flatMap((item) => inside(owner, item, `${path}[]`)),
    ...(typeof option.additionalProperties === 'object' ? inside(owner, option.additionalProperties, `${path}.*`) : []),
  ]);

const field = (owner: string, schema: JsonSchema, path: string, name: string): Suspicion[] => {
  const word = holdsText(schema) ? secretWord(name) : undefined;
  const own = [
    ...(word === undefined ? [] : [{ owner, path, why: `its name says ${word}` }]),
    ...(isOpen(schema) ? [{ owner, path, why: 'its form is open' }] : []),
  ];
  return [...own, ...inside(owner, schema, path)];
};

/** Every place in a schema that may hold a secret, by its name or because its form says nothing. */
export const suspicions = (owner: string, schema: JsonSchema): Suspicion[] =>
  [
    ...(isOpen(schema) ? [{ owner, path: '', why: 'its form is open' }] : []),
    ...inside(owner, schema, '').map((s) => ({ ...s, path: s.path.slice(1) })),
  ].filter((s, index, all) => all.findIndex((t) => t.path === s.path && t.why === s.why) === index);

const keysOf = ({ owner, path }: Suspicion): string[] => [
  `${owner} ${path}`,
  `* ${path.split('.').at(-1)!.replaceAll('[]', '')}`,
];

/** Suspicions without a reasoned exception, and exceptions that nothing needs (any more). */
export const judge = (
  found: readonly Suspicion[],
  exceptions: readonly Exception[],
): { readonly refused: readonly string[]; readonly stale: readonly string[] } => {
  const excepted = new Set(exceptions.map(({ field: name }) => name));
  const needed = new Set(found.flatMap(keysOf));
  return {
    refused: found
      .filter((suspicion) => !keysOf(suspicion).some((key) => excepted.has(key)))
      .map(({ owner, path, why }) => `${owner} ${path}: ${why}`),
    stale: [...excepted].filter((name) => !needed.has(name)),
  };
};
