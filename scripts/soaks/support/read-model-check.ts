import type pg from 'pg';
import { canonicalJson, EventCatalogue, sha256Hex } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { InMemoryReadModels, type Projection } from '#processing';
import { platformEvents } from '../../../apps/platform/src/events.js';
import { platformProjections } from '../../../apps/platform/src/projection-list.js';

const projections = (): readonly Projection[] => {
  const all: Projection[] = [];
  for (const entry of platformProjections)
    entry.register({ addProjection: (projection) => void all.push(projection as unknown as Projection) });
  return all;
};

const digestOf = (documents: readonly (readonly [string, unknown])[]): string =>
  sha256Hex(documents.map(([key, doc]) => canonicalJson([key, doc])).join('\n'));

/** Which read models are not what a fold of the whole log from the beginning gives. */
export const problemsOfReadModels = async (pool: pg.Pool, events: readonly RecordedEvent[]): Promise<string[]> => {
  const catalogue = new EventCatalogue(platformEvents);
  const known = projections();
  const rebuilt = new InMemoryReadModels(known);
  for (const event of events)
    rebuilt.apply({ ...event, data: catalogue.upcast(event.type, event.schemaVersion, event.data) });
  const { rows } = await pool.query<{ name: string; position: string }>(
    `SELECT name, position FROM processing.projections WHERE state = 'active' ORDER BY name`,
  );
  const problems = known
    .filter((p) => !rows.some((row) => row.name === p.name))
    .map((p) => `projection ${p.name} has no active table`);
  for (const { name, position } of rows) {
    const projection = known.find((p) => p.name === name);
    if (projection === undefined) {
      problems.push(`projection ${name} is not known to this check`);
      continue;
    }
    if (Number(position) !== events.length) problems.push(`projection ${name} is at ${position} of ${events.length}`);
    const { rows: documents } = await pool.query<{ key: string; doc: object }>(
      `SELECT key, doc FROM read."${name}" ORDER BY created, key`,
    );
    const kept = digestOf(documents.map((row) => [row.key, row.doc]));
    if (kept !== digestOf(rebuilt.entries(projection)))
      problems.push(`projection ${name} is not what a fold of the log gives (${documents.length} documents)`);
  }
  return problems;
};
