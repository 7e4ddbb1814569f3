import type { Parameter, Tool } from './catalogue.js';
import { CliError } from './errors.js';
import { typeName } from './help.js';
import { near } from './near.js';

/** The first of several shapes that is more than null. */
const shapeOf = (p: Parameter): Parameter => {
  const one = p.anyOf?.find((shape) => shape.type !== 'null');
  const inner = one === undefined ? p : { ...p, ...one };
  return inner.items === undefined ? inner : { ...inner, ...shapeOf(inner.items), type: 'array' };
};

interface Documented {
  readonly type: string;
  readonly shape: Parameter;
  readonly inputs: Readonly<Record<string, Parameter>>;
  /** A list that can be cut by a field knows what may stand in it. */
  readonly filters: Readonly<Record<string, Parameter>>;
  readonly describedBy: readonly string[];
}

/** What a noun's get or list answers, with what its other commands take. */
const documented = (tools: readonly Tool[], wanted: string): Documented | undefined => {
  const noun = tools.some((t) => t.cli?.[0] === wanted) ? wanted : wanted.replace(/s$/, '');
  const own = tools.filter((t) => t.cli?.[0] === noun);
  const reader = own.find((t) => t.cli![1] === 'get') ?? own.find((t) => t.cli![1] === 'list');
  if (reader === undefined) return undefined;
  const subject = Object.values(reader.output_schema?.properties ?? {})
    .map(shapeOf)
    .find((p) => p.properties !== undefined);
  if (subject === undefined) return undefined;
  const writers = own.filter((t) => ['create', 'update', 'attach', 'provision'].includes(t.cli![1]));
  const inputs = Object.assign({}, ...writers.map((t) => t.input_schema.properties ?? {})) as Record<string, Parameter>;
  const filters = own.find((t) => t.cli![1] === 'list')?.input_schema.properties ?? {};
  return { type: noun, shape: subject, inputs, filters, describedBy: [reader.name, ...writers.map((t) => t.name)] };
};

const valuesOf = (filter: Parameter | undefined) => {
  const known = filter === undefined ? undefined : shapeOf(filter).enum;
  return known === undefined ? {} : { enum: known };
};

const line = (name: string, p: Parameter, width: number): string => {
  const text = p.description ?? shapeOf(p).description;
  return `  ${name.padEnd(width)}  <${typeName(shapeOf(p))}>${text === undefined ? '' : `  ${text}`}`;
};

const listing = (shape: Parameter): string[] => {
  const fields = Object.entries(shape.properties ?? {});
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields.map(([name, p]) => line(name, p, width));
};

const missing = (type: string, path: string, name: string, shape: Parameter): CliError => {
  const names = Object.keys(shape.properties ?? {});
  const guess = near(name, names);
  const why = names.length === 0 ? `${path} has no fields` : `${path} has ${names.join(', ')}`;
  const meant = guess === undefined ? undefined : `drover explain ${path}.${guess}`;
  return new CliError(`${path} has no field ${name}`, why, `drover explain ${type}`, 5, undefined, meant);
};

/** `drover explain TYPE[.FIELD…]`: undefined when the first word is no type, because then it names a thing. */
export const fieldHelp = (tools: readonly Tool[], wanted: string): string | undefined => {
  const [type = '', ...path] = wanted.split('.');
  const found = documented(tools, type);
  if (found === undefined) return undefined;
  let { shape } = found;
  let at = found.type;
  for (const name of path) {
    const next = shape.properties?.[name] ?? (at === found.type ? found.inputs[name] : undefined);
    if (next === undefined) throw missing(found.type, at, name, shape);
    const own = at === found.type ? { ...valuesOf(found.filters[name]), ...found.inputs[name] } : {};
    shape = shapeOf({ ...own, ...next });
    at = `${at}.${name}`;
  }
  const head = `${at}  <${path.length === 0 ? 'object' : (shape.type ?? typeName(shape))}>`;
  const values = shape.enum === undefined ? [] : ['', `one of ${shape.enum.map(String).join(', ')}`];
  const fields = listing(shape);
  const only =
    path.length > 0 ? [] : Object.entries(found.inputs).filter(([name]) => !(name in (shape.properties ?? {})));
  const width = Math.max(0, ...only.map(([name]) => name.length));
  return [
    head,
    ...(shape.description === undefined ? [] : ['', shape.description]),
    ...values,
    ...(fields.length === 0 ? [] : ['', 'Fields:', ...fields]),
    ...(only.length === 0 ? [] : ['', 'Given when it is made or changed:', ...only.map(([n, p]) => line(n, p, width))]),
    ...(path.length === 0 ? ['', `Tools: ${found.describedBy.join(', ')}`] : []),
  ].join('\n');
};
