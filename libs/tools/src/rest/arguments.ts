import { refusal, RefusedError } from '#kernel';
import type { ToolListing } from '../tool-schema.js';

type Json = Readonly<Record<string, unknown>>;

interface Property {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Property[];
}

const typesOf = ({ type, anyOf = [] }: Property): string[] => [
  ...(type === undefined ? [] : [type].flat()),
  ...anyOf.flatMap(typesOf),
];

/** A query parameter is text; what the schema wants of it is in the schema. What does not fit stays text, and is refused as such. */
const coerced = (given: unknown, property: Property | undefined): unknown => {
  const types = property === undefined ? [] : typesOf(property);
  if (types.includes('array') && typeof given === 'string') return given.split(',');
  if (typeof given !== 'string' || types.includes('string')) return given;
  if ((types.includes('integer') || types.includes('number')) && /^-?\d+(\.\d+)?$/.test(given)) return Number(given);
  if (types.includes('boolean') && (given === 'true' || given === 'false')) return given === 'true';
  return given;
};

export interface RestParts {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Json;
  readonly body: unknown;
  readonly idempotencyKey: string | undefined;
}

/** A tool's arguments from all the places of a request. One that is given twice must be the same; throws RefusedError. */
export const restArguments = (tool: Pick<ToolListing, 'input_schema' | 'danger'>, parts: RestParts): Json => {
  const { properties = {} } = tool.input_schema as { properties?: Readonly<Record<string, Property>> };
  const body = parts.body ?? {};
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new RefusedError(refusal(400, 'invalid_arguments', 'the body must be a JSON object'));
  }
  const query = Object.entries(parts.query).map(([name, value]) => [name, coerced(value, properties[name])] as const);
  const key =
    parts.idempotencyKey === undefined || tool.danger === 'read'
      ? []
      : [['idempotency_key', parts.idempotencyKey] as const];
  const args = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of [...Object.entries(body), ...query, ...key, ...Object.entries(parts.path)]) {
    if (Object.hasOwn(args, name) && JSON.stringify(args[name]) !== JSON.stringify(value)) {
      throw new RefusedError(
        refusal(400, 'ambiguous_parameter', `${name} is given twice and differs`, {
          field: name,
          hint: 'give it once',
        }),
      );
    }
    args[name] = value;
  }
  return args;
};
