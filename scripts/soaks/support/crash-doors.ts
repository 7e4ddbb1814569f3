import type pg from 'pg';
import { canonicalJson } from '#kernel';
import { START, type EventStore, type RecordedEvent } from '#event-store';
import { InMemoryReadModels, pmInputReceived, type Projection } from '#processing';
import { doors } from '../../../libs/processing/src/testing/doors.js';

export const wholeLog = async (store: EventStore): Promise<RecordedEvent[]> => {
  const events: RecordedEvent[] = [];
  for (let after = START; ;) {
    const batch = await store.readAll(after, { limit: 2_000 });
    events.push(...batch.events);
    if (batch.through <= after) return events;
    after = batch.through;
  }
};

/** Each door that was opened was closed once, by its doorman, whose timer fired once; and the read model says so. */
export const problemsOfDoors = async (store: EventStore, pool: pg.Pool): Promise<string[]> => {
  const events = await wholeLog(store);
  const byStream = new Map<string, string[]>();
  for (const event of events) {
    if (!/^(door|pm_doorman)-/.test(event.stream)) continue;
    const what = event.type === pmInputReceived.type ? (event.data['input'] as { kind: string }).kind : event.type;
    byStream.set(event.stream, [...(byStream.get(event.stream) ?? []), what]);
  }
  const problems: string[] = [];
  const expect = (stream: string, wanted: string) => {
    const has = (byStream.get(stream) ?? []).join(' ');
    if (has !== wanted) problems.push(`${stream} has "${has}", expected "${wanted}"`);
  };
  for (const stream of byStream.keys()) {
    const name = stream.slice(stream.indexOf('-') + 1);
    expect(`door-${name}`, 'system.door.opened system.door.closed');
    expect(`pm_doorman-${name}`, 'event timer command_result');
  }
  const { rows: left } = await pool.query<{ count: string }>('SELECT count(*) FROM pm.timers');
  if (left[0]!.count !== '0') problems.push(`${left[0]!.count} timers are still in the index`);
  return [...problems, ...(await problemsOfTable(pool, events))];
};

const problemsOfTable = async (pool: pg.Pool, events: readonly RecordedEvent[]): Promise<string[]> => {
  const rebuilt = new InMemoryReadModels([doors as unknown as Projection]);
  for (const event of events) rebuilt.apply(event);
  const { rows } = await pool.query<{ key: string; doc: object }>(
    'SELECT key, doc FROM read.doors ORDER BY created, key',
  );
  const same = canonicalJson(rows.map((row) => [row.key, row.doc])) === canonicalJson(rebuilt.entries(doors));
  return same ? [] : ['the read model is not what a fold of the log gives'];
};
