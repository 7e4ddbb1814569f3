import type pg from 'pg';
import { canonicalJson, EventCatalogue, sha256Hex } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { InMemoryReadModels, type Projection } from '#processing';
import { platformEvents } from '../../../apps/platform/src/events.js';
import { platformProjections } from '../../../apps/platform/src/projection-list.js';

/** How long before its end a platform may have heard what no read model shows. */
const LATE_MS = 2_000;

const projections = (): readonly Projection[] => {
  const all: Projection[] = [];
  for (const entry of platformProjections)
    entry.register({ addProjection: (projection) => void all.push(projection as unknown as Projection) });
  return all;
};

const digestOf = (documents: readonly (readonly [string, unknown])[]): string =>
  sha256Hex(documents.map(([key, doc]) => canonicalJson([key, doc])).join('\n'));

/** Folds of the log from the beginning, by how much of it. */
class Folds {
  private readonly catalogue = new EventCatalogue(platformEvents);
  private readonly byLength = new Map<number, InMemoryReadModels>();

  constructor(
    private readonly known: readonly Projection[],
    private readonly events: readonly RecordedEvent[],
  ) {}

  of(length: number): InMemoryReadModels {
    const made = this.byLength.get(length);
    if (made !== undefined) return made;
    const fold = new InMemoryReadModels(this.known);
    for (const event of this.events.slice(0, length))
      fold.apply({ ...event, data: this.catalogue.upcast(event.type, event.schemaVersion, event.data) });
    this.byLength.set(length, fold);
    return fold;
  }
}

/**
 * Which read models are not what a fold of the log from the beginning gives. The platform was told to stop at `stoppedMs`: what
 * nodes said in the moment before that may wait in the log for its next start.
 */
export const problemsOfReadModels = async (
  pool: pg.Pool,
  events: readonly RecordedEvent[],
  stoppedMs: number,
): Promise<string[]> => {
  const known = projections();
  const folds = new Folds(known, events);
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
    const waiting = events.slice(Number(position));
    if (Number(position) > events.length || waiting.some((event) => Date.parse(event.recordedAt) < stoppedMs - LATE_MS))
      problems.push(`projection ${name} is at ${position} of ${events.length}`);
    const { rows: documents } = await pool.query<{ key: string; doc: object }>(
      `SELECT key, doc FROM read."${name}" ORDER BY created, key`,
    );
    const kept = digestOf(documents.map((row) => [row.key, row.doc]));
    if (kept !== digestOf(folds.of(Number(position)).entries(projection)))
      problems.push(`projection ${name} is not what a fold of the log gives (${documents.length} documents)`);
  }
  return problems;
};
