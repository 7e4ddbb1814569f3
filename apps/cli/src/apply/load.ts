import { readFileSync } from 'node:fs';
import { isMap, LineCounter, parseAllDocuments, type Document } from 'yaml';
import type { z } from 'zod';
import { CliError } from '../errors.js';
import { troubleOf } from '../files.js';
import { near } from '../near.js';
import { fleetDocument, keyOf, ORDER, type FleetDocument } from './schema.js';

export interface Wanted {
  readonly doc: FleetDocument;
  readonly key: string;
  /** file:line of the document, and of each of its fields. */
  readonly at: string;
  line(path: readonly PropertyKey[]): string;
}

const usage = (at: string, why: string, meant?: string): CliError =>
  new CliError(at, why, 'drover schema apply shows what a document may hold', 2, undefined, meant);

type Source = { readonly file: string; readonly doc: Document.Parsed; readonly lines: LineCounter };

/** The line of the innermost part of the path that is there. */
const lineOf = ({ file, doc, lines }: Source, path: readonly PropertyKey[]): string => {
  for (let n = path.length; n >= 0; n--) {
    const node: unknown = n === 0 ? doc.contents : doc.getIn(path.slice(0, n), true);
    const range = (node as { range?: readonly [number, number, number] } | undefined)?.range;
    if (range !== undefined) return `${file}:${lines.linePos(range[0]).line}`;
  }
  return file;
};

/** An unknown key stands at its own line. */
const lineOfKey = (source: Source, path: readonly PropertyKey[], key: string): string => {
  const map = path.length === 0 ? source.doc.contents : source.doc.getIn(path, true);
  const pair = isMap(map) ? map.items.find((item) => String(item.key) === key) : undefined;
  const range = (pair?.key as { range?: readonly [number, number, number] } | undefined)?.range;
  return range === undefined ? lineOf(source, path) : `${source.file}:${source.lines.linePos(range[0]).line}`;
};

const knownKeys = (value: unknown): readonly string[] => {
  const kind = (value as { kind?: unknown }).kind;
  const option = fleetDocument.options.find((one) => one.shape.kind.value === kind);
  return option === undefined ? [] : Object.keys(option.shape);
};

const refused = (source: Source, value: unknown, issue: z.core.$ZodIssue): CliError => {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const known = issue.path.length === 0 ? knownKeys(value) : ['module', 'config', 'priority', 'enabled'];
    const at = lineOfKey(source, issue.path, key);
    return usage(at, `field ${[...issue.path, key].join('.')} is not known`, near(key, known));
  }
  const at = lineOf(source, issue.path);
  if (issue.path[0] === 'kind') {
    const kind = String((value as { kind?: unknown }).kind);
    return usage(at, `kind ${kind} is none of ${ORDER.join(', ')}`, near(kind, ORDER));
  }
  return usage(at, `field ${issue.path.join('.')}: ${issue.message}`);
};

const read = (source: Source): Wanted => {
  const { doc } = source;
  const value: unknown = doc.toJS();
  if (!isMap(doc.contents)) throw usage(lineOf(source, []), 'a document must be a map with kind and name');
  if (!('kind' in (value as object))) throw usage(lineOf(source, []), `field kind is missing: ${ORDER.join(', ')}`);
  const found = fleetDocument.safeParse(value);
  if (!found.success) {
    const { issues } = found.error;
    // A misspelt key is why another one is missing.
    throw refused(source, value, issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!);
  }
  const line = (path: readonly PropertyKey[]) => lineOf(source, path);
  return { doc: found.data, key: keyOf(found.data), at: line([]), line };
};

/** All documents of a text, in the order in which they depend on each other; the first mistake is refused with its line. */
export const loadText = (text: string, file: string): readonly Wanted[] => {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const documents = Array.isArray(parsed) ? (parsed as Document.Parsed[]) : [];
  const wanted: Wanted[] = [];
  for (const doc of documents) {
    const error = doc.errors[0];
    if (error !== undefined) throw usage(`${file}:${lines.linePos(error.pos[0]).line}`, `no YAML: ${error.message}`);
    if (doc.toJS() !== null) wanted.push(read({ file, doc, lines }));
  }
  return wanted;
};

const textOf = (file: string): string => {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} cannot be read`, troubleOf(error), 'drover apply -f FILE', 2);
  }
};

export const loadFiles = (files: readonly string[]): readonly Wanted[] => {
  const wanted = files.flatMap((file) => loadText(textOf(file), file === '-' ? 'stdin' : file));
  const seen = new Map<string, Wanted>();
  for (const one of wanted) {
    const other = seen.get(one.key);
    if (other !== undefined) throw usage(one.at, `${one.key} is there already, at ${other.at}`);
    seen.set(one.key, one);
  }
  return wanted.toSorted((a, b) => ORDER.indexOf(a.doc.kind) - ORDER.indexOf(b.doc.kind));
};
