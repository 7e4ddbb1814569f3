import { CliError } from '../errors.js';

/** kubectl's dialect: text with `{…}` in it, `{range …}…{end}`, and paths such as `.nodes[*].name` or `[?(@.state=="running")]`. */
type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'path'; readonly steps: readonly Step[] }
  | { readonly kind: 'range'; readonly steps: readonly Step[]; readonly body: readonly Part[] };
type Step =
  | { readonly kind: 'key'; readonly name: string }
  | { readonly kind: 'all' }
  | { readonly kind: 'deep'; readonly name: string }
  | { readonly kind: 'index'; readonly at: number }
  | { readonly kind: 'slice'; readonly from?: number; readonly to?: number }
  | { readonly kind: 'filter'; readonly steps: readonly Step[]; readonly operator?: string; readonly value?: unknown };

const bad = (what: string, why: string): CliError =>
  new CliError(`-o jsonpath: ${what}`, why, "for example -o jsonpath='{.nodes[*].name}'", 2);

const STEP =
  /^(?:\.\.(?<deep>[\w-]+)|\.?\[\?\(@(?<filter>[^\s=!<>)]*)\s*(?:(?<op>==|!=|<=|>=|<|>)\s*(?<value>"[^"]*"|'[^']*'|[\w.+-]+))?\s*\)\]|\.?\[(?<at>-?\d+)\]|\.?\[(?<from>-?\d*):(?<to>-?\d*)\]|\.?\[(?:'(?<quoted>[^']*)'|"(?<quoted2>[^"]*)")\]|(?<all>\.\*|\.?\[\*\])|\.(?<key>[\w-]+))/;

const literal = (text: string): unknown => {
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
};

const stepOf = (g: Readonly<Record<string, string | undefined>>): Step => {
  if (g.deep !== undefined) return { kind: 'deep', name: g.deep };
  if (g.filter !== undefined) {
    const found = { kind: 'filter' as const, steps: stepsOf(g.filter) };
    return g.op === undefined ? found : { ...found, operator: g.op, value: literal(g.value!) };
  }
  if (g.at !== undefined) return { kind: 'index', at: Number(g.at) };
  if (g.from !== undefined)
    return {
      kind: 'slice',
      ...(g.from === '' ? {} : { from: Number(g.from) }),
      ...(g.to === '' ? {} : { to: Number(g.to) }),
    };
  if (g.all !== undefined) return { kind: 'all' };
  return { kind: 'key', name: g.quoted ?? g.quoted2 ?? g.key! };
};

const stepsOf = (path: string): Step[] => {
  const steps: Step[] = [];
  let rest = path.trim().replace(/^[$@]/, '');
  if (rest !== '' && !/^[.[]/.test(rest)) rest = `.${rest}`;
  if (rest === '.') rest = '';
  while (rest !== '') {
    const found = STEP.exec(rest);
    if (found === null) throw bad(path, `${rest} is no step of a path`);
    steps.push(stepOf(found.groups!));
    rest = rest.slice(found[0].length);
  }
  return steps;
};

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '"': '"', '\\': '\\' };

const parts = (template: string): Part[] => {
  const open: { readonly steps: readonly Step[]; readonly body: Part[] }[] = [{ steps: [], body: [] }];
  for (const [token] of template.matchAll(/\{(?:[^{}"']|"(?:[^"\\]|\\.)*"|'[^']*')*\}|[^{]+|\{/g)) {
    const top = open.at(-1)!.body;
    const inner = /^\{(.*)\}$/s.exec(token)?.[1]?.trim();
    if (inner === undefined && token.startsWith('{')) throw bad(template, 'a { is not closed');
    if (inner === undefined) top.push({ kind: 'text', text: token });
    else if (/^".*"$/s.test(inner))
      top.push({ kind: 'text', text: inner.slice(1, -1).replace(/\\(.)/g, (all, c: string) => ESCAPES[c] ?? all) });
    else if (/^range\s/.test(inner)) open.push({ steps: stepsOf(inner.slice(5)), body: [] });
    else if (inner === 'end') {
      const done = open.pop()!;
      if (open.length === 0) throw bad(template, '{end} without {range}');
      open.at(-1)!.body.push({ kind: 'range', ...done });
    } else top.push({ kind: 'path', steps: stepsOf(inner) });
  }
  if (open.length > 1) throw bad(template, '{range} without {end}');
  return open[0]!.body;
};

const children = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : typeof value === 'object' && value !== null ? Object.values(value) : [];

const deep = (value: unknown, name: string): unknown[] => [
  ...(typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? [Reflect.get(value, name) as unknown]
    : []),
  ...children(value).flatMap((child) => deep(child, name)),
];

const compares = (left: unknown, operator: string, right: unknown): boolean => {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false;
  const [a, b] = [left, right as typeof left];
  return operator === '<' ? a < b : operator === '>' ? a > b : operator === '<=' ? a <= b : a >= b;
};

const holds = (step: Extract<Step, { kind: 'filter' }>, value: unknown): boolean => {
  const found = walk(step.steps, value);
  const { operator } = step;
  return operator === undefined ? found.length > 0 : found.some((one) => compares(one, operator, step.value));
};

const take = (step: Step, value: unknown): unknown[] => {
  if (step.kind === 'all') return children(value);
  if (step.kind === 'deep') return deep(value, step.name);
  if (step.kind === 'key') {
    const has = typeof value === 'object' && value !== null && Object.hasOwn(value, step.name);
    return has ? [Reflect.get(value as object, step.name)] : [];
  }
  if (!Array.isArray(value)) return [];
  if (step.kind === 'index') return value.at(step.at) === undefined ? [] : [value.at(step.at)];
  return step.kind === 'slice' ? value.slice(step.from, step.to) : value.filter((one) => holds(step, one));
};

const walk = (steps: readonly Step[], value: unknown): unknown[] =>
  steps.reduce<unknown[]>((values, step) => values.flatMap((one) => take(step, one)), [value]);

const text = (value: unknown): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);

const fill = (all: readonly Part[], data: unknown): string =>
  all
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const found = walk(part.steps, data);
      return part.kind === 'path' ? found.map(text).join(' ') : found.map((one) => fill(part.body, one)).join('');
    })
    .join('');

/** A template that is wrong is refused before anything is asked of the platform. */
export const jsonPath = (template: string): ((data: unknown) => string) => {
  const all = parts(/[{]/.test(template) ? template : `{${template}}`);
  return (data) => fill(all, data);
};
