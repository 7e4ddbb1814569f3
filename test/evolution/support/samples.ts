import { deterministicUuid } from '#kernel';
import { alternatives, type JsonSchema, type Plain } from './json-schema.js';

/** Which of several possible values a sample takes. */
interface Choice {
  /** Optional fields, nullable values, lists and records: present and filled, or left out, null and empty. */
  readonly filled: boolean;
  /** At one place, the alternative of this number. */
  readonly at?: { readonly path: string; readonly option: number };
}

/** Values that folds look into (addresses, ids that repeat across events); everything else is made from its schema. */
const BY_NAME: Readonly<Record<string, unknown>> = {
  name: 'sample',
  subject: 'cluster-30c868e1-508f-5504-b1ad-6c6a2debcec5',
  cidr_64: 'fd4d:91a2:3b7c:1::/64',
  cidr_v4: '100.64.0.0/22',
  address_v6: 'fd4d:91a2:3b7c:1::a',
  address_v4: '100.64.0.10',
  address: 'fd4d:91a2:3b7c:1::1',
  vip: 'fd4d:91a2:3b7c:1::1',
  pod_subnet_prefix: '10.42.0.0/16',
  pod_cidr: '10.42.1.0/24',
  handle: '0a1b2c',
  public_key: Buffer.alloc(32, 7).toString('base64'),
  generation: '7',
  api_endpoint: 'https://[fd4d:91a2:3b7c:1::1]:6443',
  endpoint_host: '192.0.2.10',
  endpoint_port: 51_820,
  listen_port: 51_820,
  underlay_addresses: ['192.0.2.10'],
  module_name: 'k3s-server',
  kubeconfig_ref: 'cluster-x#kubeconfig',
  server_token_ref: 'cluster-x#server_token',
};

/** For texts of a form that is no id. */
const CANDIDATES = ['7', '0a1b2c', 'ab'.repeat(32), `sha256:${'ab'.repeat(32)}`, '192.0.2.10', 'https://example.test/'];

const TIME = '2026-01-02T03:04:05.678Z';
const ID = /^\^([a-z_0-9]+)-\[0-9a-f\]\{8\}/;

/** The same prefix always gives the same id, so that samples are about one world. */
export const sampleId = (prefix: string): string => `${prefix}-${deterministicUuid('sample', prefix)}`;

const text = (schema: Plain, name: string): string => {
  const prefix = ID.exec(schema.pattern ?? '')?.[1];
  if (prefix !== undefined) return sampleId(prefix);
  if (schema.format === 'date-time') return TIME;
  if (schema.format === 'uuid') return deterministicUuid('sample', name);
  if (/digest|hash|fingerprint|root$/.test(name)) return 'ab'.repeat(32);
  const fitting = 'sample'.padEnd(schema.minLength ?? 0, 'x').slice(0, schema.maxLength);
  if (schema.pattern === undefined) return fitting;
  const found = [fitting, ...CANDIDATES].find((candidate) => new RegExp(schema.pattern!).test(candidate));
  if (found !== undefined) return found;
  throw new Error(
    `no sample for ${name} fits ${schema.pattern}: add one to BY_NAME in test/evolution/support/samples.ts`,
  );
};

const plain = (schema: Plain, name: string, path: string, choice: Choice): unknown => {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[optionAt(choice, path, 0)];
  const named = BY_NAME[name];
  if (schema.type !== 'null' && named !== undefined && typeof named === (schema.type ?? 'string')) return named;
  switch (schema.type) {
    case 'null':
      return null;
    case 'string':
      return text(schema, name);
    case 'integer':
    case 'number':
      return Math.max(3, schema.minimum ?? 3);
    case 'boolean':
      return choice.filled;
    case 'array':
      return array(schema, name, path, choice);
    case 'object':
      return object(schema, path, choice);
    default:
      return choice.filled ? { sample: 'value' } : 'sample';
  }
};

const array = (schema: Plain, name: string, path: string, choice: Choice): unknown[] => {
  if (schema.prefixItems !== undefined)
    return schema.prefixItems.map((item, index) => value(item, name, `${path}[${index}]`, choice));
  const length = Math.max(choice.filled ? 1 : 0, schema.minItems ?? 0);
  return Array.from({ length }, () => value(schema.items ?? {}, name, `${path}[]`, choice));
};

const object = (schema: Plain, path: string, choice: Choice): Record<string, unknown> => {
  const made = Object.entries(schema.properties ?? {})
    .filter(([name]) => choice.filled || schema.required?.includes(name) === true)
    .map(([name, property]) => [name, value(property, name, `${path}.${name}`, choice)]);
  const further = schema.additionalProperties;
  if (schema.properties === undefined && typeof further === 'object' && choice.filled)
    made.push(['sample', value(further, 'sample', `${path}.*`, choice)]);
  return Object.fromEntries(made) as Record<string, unknown>;
};

const optionAt = (choice: Choice, path: string, otherwise: number): number =>
  choice.at?.path === path ? choice.at.option : otherwise;

const value = (schema: JsonSchema, name: string, path: string, choice: Choice): unknown => {
  const options = alternatives(schema);
  const empty = options.findIndex((option) => option.type === 'null');
  const usual = !choice.filled && empty >= 0 ? empty : options.findIndex((option) => option.type !== 'null');
  // A place that is both a choice and an enumeration is told apart by the path of the latter.
  const index = options.length > 1 ? optionAt(choice, `${path}|`, usual) : 0;
  return plain(options[index]!, name, path, choice);
};

/** Every place where a schema leaves a choice, with the number of options there. */
const choices = (schema: JsonSchema, path: string): { path: string; options: number }[] => {
  const options = alternatives(schema);
  const here = options.length > 1 ? [{ path: `${path}|`, options: options.length }] : [];
  return [
    ...here,
    ...options.flatMap((option) => [
      ...(option.enum === undefined ? [] : [{ path, options: option.enum.length }]),
      ...Object.entries(option.properties ?? {}).flatMap(([name, inner]) => choices(inner, `${path}.${name}`)),
      ...(option.items === undefined ? [] : choices(option.items, `${path}[]`)),
      ...(option.prefixItems ?? []).flatMap((item, index) => choices(item, `${path}[${index}]`)),
      ...(typeof option.additionalProperties === 'object' ? choices(option.additionalProperties, `${path}.*`) : []),
    ]),
  ];
};

/** Data that fit a schema: everything filled, everything that may be left out left out, and each further choice once. */
export const samples = (schema: JsonSchema): readonly Record<string, unknown>[] => {
  const each = choices(schema, 'data').flatMap(({ path, options }) =>
    Array.from({ length: options }, (_, option) => ({ filled: true, at: { path, option } })),
  );
  const all = [{ filled: true }, { filled: false }, ...each];
  const made = all.map((choice) => value(schema, '', 'data', choice) as Record<string, unknown>);
  return [...new Map(made.map((data) => [JSON.stringify(data), data])).values()];
};
