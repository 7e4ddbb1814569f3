import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, type EventDefinition } from '#kernel';
import { sampleEnvelopes, type Envelope } from './envelopes.js';
import { storedSchema, type JsonSchema } from './json-schema.js';
import { narrowings, sameSchema } from './narrowing.js';

export const FREEZE = 'npm run freeze:events';

/** What a type and version looked like when it was frozen. Revision 2 and up: only widened, in the same version. */
export interface Frozen {
  readonly type: string;
  readonly version: number;
  readonly revision: number;
  readonly schema: JsonSchema;
  /** Lines as they stand in the file: canonical envelopes. */
  readonly lines: readonly string[];
}

const NAME = /^(.+)\.v(\d+)(?:\.r(\d+))?\.jsonl$/;
const fileOf = ({ type, version, revision }: Pick<Frozen, 'type' | 'version' | 'revision'>): string =>
  `${type}.v${version}${revision === 1 ? '' : `.r${revision}`}`;

export const envelopesOf = (frozen: Frozen): Envelope[] => frozen.lines.map((line) => JSON.parse(line) as Envelope);

/** Every frozen type, version and revision in a folder, in order. */
export const readFrozen = (folder: string): Frozen[] =>
  !existsSync(folder)
    ? []
    : readdirSync(folder)
        .flatMap((file) => {
          const [, type, version, revision] = NAME.exec(file) ?? [];
          if (type === undefined) return [];
          const name = { type, version: Number(version), revision: Number(revision ?? 1) };
          const schema = JSON.parse(readFileSync(join(folder, `${fileOf(name)}.schema.json`), 'utf8')) as JsonSchema;
          const lines = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
          return [{ ...name, schema, lines }];
        })
        .sort((a, b) => a.type.localeCompare(b.type) || a.version - b.version || a.revision - b.revision);

/** What keeps this build from being frozen or shipped; empty when every type and version is frozen as it is. */
export const problemsOf = (definitions: readonly EventDefinition[], frozen: readonly Frozen[]): string[] => {
  const known = new Map(definitions.map((definition) => [definition.type, definition]));
  const gone = [...new Set(frozen.map((f) => f.type))].filter((type) => !known.has(type));
  return [
    ...gone.map((type) => `${type} is in logs already, but no definition reads it any more: bring the definition back`),
    ...definitions.flatMap((definition) => problemsOfOne(definition, frozen)),
  ];
};

const problemsOfOne = (definition: EventDefinition, frozen: readonly Frozen[]): string[] => {
  const { type, version } = definition;
  const mine = frozen.filter((f) => f.type === type);
  const newest = Math.max(0, ...mine.map((f) => f.version));
  if (newest > version) return [`${type} is at version ${version}, but version ${newest} is in logs already`];
  const now = storedSchema(definition);
  const ofThis = mine.filter((f) => f.version === version);
  const narrowed = ofThis.flatMap((f) => narrowings(f.schema, now));
  if (narrowed.length > 0) {
    const reasons = [...new Set(narrowed)].join('; ');
    return [`${type} has changed: ${reasons}. Make it version ${version + 1} with an upcaster from ${version}`];
  }
  const last = ofThis.at(-1);
  if (last === undefined) return [`${type} version ${version} has no fixture: run ${FREEZE}`];
  return sameSchema(last.schema, now)
    ? []
    : [`${type} version ${version} was widened and is not frozen so: run ${FREEZE}`];
};

/** Freezes what is not frozen yet and answers the files it made. What is there already is never written again. */
export const freeze = (definitions: readonly EventDefinition[], folder: string): string[] => {
  const frozen = readFrozen(folder);
  const blocking = problemsOf(definitions, frozen).filter((problem) => !problem.endsWith(FREEZE));
  if (blocking.length > 0) throw new Error(blocking.join('\n'));
  mkdirSync(folder, { recursive: true });
  return definitions.flatMap((definition) => {
    const { type, version } = definition;
    const schema = storedSchema(definition);
    const earlier = frozen.filter((f) => f.type === type && f.version === version);
    if (earlier.length > 0 && sameSchema(earlier.at(-1)!.schema, schema)) return [];
    const name = fileOf({ type, version, revision: earlier.length + 1 });
    const lines = sampleEnvelopes(
      definition,
      definitions.find((d) => d.type === 'system.instance.created') ?? definition,
    );
    const text = lines.map((line) => `${canonicalJson(line)}\n`).join('');
    writeFileSync(join(folder, `${name}.jsonl`), text, { flag: 'wx' });
    writeFileSync(join(folder, `${name}.schema.json`), `${canonicalJson(schema)}\n`, { flag: 'wx' });
    return [`${name}.jsonl`];
  });
};
