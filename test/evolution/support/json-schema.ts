import { z } from 'zod';
import type { EventDefinition } from '#kernel';

/** The part of JSON Schema that event schemas come out as. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  /** Of a tuple. */
  readonly prefixItems?: readonly JsonSchema[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** What an event holds as it is stored; defaults are filled in by then. */
export const storedSchema = (definition: EventDefinition): JsonSchema => {
  const schema: Record<string, unknown> = {
    ...z.toJSONSchema(definition.schema, { io: 'output', unrepresentable: 'any' }),
  };
  delete schema['$schema'];
  return schema as JsonSchema;
};

/** One alternative of a schema: of one type, without a choice. */
export type Plain = Omit<JsonSchema, 'type' | 'anyOf' | 'oneOf'> & { readonly type?: string };

/** The alternatives of a schema; one that offers no choice is its own only alternative. */
export const alternatives = (schema: JsonSchema): readonly Plain[] => {
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice !== undefined) return choice.flatMap(alternatives);
  const { type, ...rest } = schema;
  if (type === undefined) return [rest];
  return (typeof type === 'string' ? [type] : type).map((one) =>
    one === 'null' ? { type: one } : { ...rest, type: one },
  );
};
