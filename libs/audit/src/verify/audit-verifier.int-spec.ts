import { readFile, writeFile } from 'node:fs/promises';
import type pg from 'pg';
import { appendEvents, memoryGround, postgresGround, type AuditGround } from '../testing/audit-ground.js';
import { AuditVerifier } from './audit-verifier.js';
import { inlineRunner } from './chunk-runner.js';
import { PortEventCheck } from './event-check.js';
import type { Finding } from './findings.js';
import { PostgresEventCheck } from './postgres-event-check.js';

type PostgresGround = AuditGround & { readonly pool: pg.Pool };

const verifierOf = (ground: AuditGround, sink = true) => {
  const { log, seals: store, pool } = ground;
  const events =
    pool === undefined
      ? new PortEventCheck(log, store)
      : new PostgresEventCheck({ pool, log, store, runner: () => inlineRunner(pool) });
  return new AuditVerifier({
    ...{ store, events, exportsIn: () => ground.exportsIn() },
    ...(sink ? { sink: ground.sink } : {}),
  });
};

/** As someone with full rights on the database would: around the triggers. */
const tamper = async (ground: PostgresGround, ...statements: string[]): Promise<void> => {
  const client = await ground.pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    for (const sql of statements) await client.query(sql);
    await client.query('SET session_replication_role = origin');
  } finally {
    client.release();
  }
};
const TABLES = ['es.events', 'es.streams', 'es.log_head', 'audit.seals', 'audit.head', 'audit.keys'];
const kept = (table: string) => `kept_${table.replace('.', '_')}`;

/** Recomputes every hash from a position on, and the head: what an insider with the source code would do. */
const REHASH = (from: number) => `
  DO $$ DECLARE
    previous bytea := coalesce((SELECT chain_hash FROM es.events WHERE position = ${from - 1}), sha256('drover event log'));
    row es.events%ROWTYPE;
  BEGIN
    FOR row IN SELECT * FROM es.events WHERE position >= ${from} ORDER BY position LOOP
      row.content_hash := sha256(convert_to(row.envelope, 'UTF8'));
      previous := sha256(previous || int8send(row.position) || convert_to(es.iso_time(row.recorded_ms), 'UTF8') || row.content_hash);
      UPDATE es.events SET content_hash = row.content_hash, chain_hash = previous WHERE position = row.position;
    END LOOP;
    UPDATE es.log_head h SET chain_hash = previous, position = e.position, recorded_ms = e.recorded_ms
      FROM (SELECT position, recorded_ms FROM es.events ORDER BY position DESC LIMIT 1) e;
  END $$`;
const FORGE = (at: number) =>
  `UPDATE es.events SET envelope = replace(envelope, 'original', 'forged!!') WHERE position = ${at}`;
const CUT = (after: number) => `DELETE FROM es.events WHERE position > ${after}`;
const STREAMS = `DELETE FROM es.streams s WHERE NOT EXISTS (SELECT FROM es.events e WHERE e.stream = s.stream)`;
const STREAM_VERSIONS = `UPDATE es.streams s SET version = (SELECT max(version) FROM es.events e WHERE e.stream = s.stream)`;
const SEALS = (after: number) =>
  `DELETE FROM audit.seals WHERE seq > ${after}; UPDATE audit.head SET seal_seq = ${after}, exported_seq = ${after}`;

let ground: PostgresGround;
let sinkText: string;
beforeAll(async () => {
  ground = await postgresGround();
  // Seals over 1–10, 11–20, 21–25; 26–30 are covered by none.
  for (let n = 0; n < 5; n++) await appendEvents(ground.store, 5);
  await ground.sealAll();
  await appendEvents(ground.store, 5);
  for (const table of TABLES) await ground.pool.query(`CREATE TABLE ${kept(table)} AS TABLE ${table}`);
  sinkText = await readFile(ground.sinkFile, 'utf8');
}, 60_000);
afterEach(async () => {
  for (const table of TABLES) {
    await tamper(ground, `DELETE FROM ${table}`, `INSERT INTO ${table} SELECT * FROM ${kept(table)}`);
  }
  await writeFile(ground.sinkFile, sinkText);
});
afterAll(() => ground.close());

const first = async (sink = true): Promise<Finding | undefined> =>
  (await verifierOf(ground, sink).verify()).findings[0];

it('an untouched log is intact, in one call and in several', async () => {
  const report = await verifierOf(ground).verify();
  expect(report).toMatchObject({ intact: true, findings: [], events: 30, through: 30n, complete: true });
  expect(report.seals).toMatchObject({ count: 3, sealedThrough: 25n, inFile: 3 });
  expect(report.chain).toBe((await ground.log.read(29n, 1))[0]!.chain);
  let events = 0;
  for (let after = 0n, complete = false; !complete;) {
    const part = await verifierOf(ground).verify({ after, maxEvents: 1 });
    expect(part.intact).toBe(true);
    ({ through: after, complete } = part);
    events += part.events;
  }
  expect(events).toBe(30);
});

describe('one changed byte in a row', () => {
  it.each([
    ['envelope', `convert_from(set_byte(convert_to(envelope, 'UTF8'), 40, 65), 'UTF8')`],
    ['id', `'00000000-0000-4000-8000-000000000000'`],
    ['stream', `stream || 'x'`],
    ['version', 'version + 100'],
    ['category', `'thinh'`],
    ['type', `'system.thing.happenee'`],
    ['account', `'account-b'`],
    ['schema_version', 'schema_version + 1'],
    ['recorded_ms', 'recorded_ms + 1'],
    ['content_hash', 'set_byte(content_hash, 31, 255 - get_byte(content_hash, 31))'],
    ['chain_hash', 'set_byte(chain_hash, 0, 255 - get_byte(chain_hash, 0))'],
    ['position', '1000'],
  ])('in %s is found there, sealed or not', async (column, value) => {
    for (const at of [4, 18, 28, 30]) {
      await tamper(ground, `UPDATE es.events SET ${column} = ${value} WHERE position = ${at}`);
      expect(await first()).toMatchObject({ kind: 'event', position: BigInt(at) });
      await tamper(
        ground,
        `DELETE FROM es.events WHERE position IN (${at}, 1000)`,
        `INSERT INTO es.events SELECT * FROM ${kept('es.events')} WHERE position = ${at}`,
      );
    }
    expect(await first()).toBeUndefined();
  });
});

it.each<[string, bigint, RegExp, string[]]>([
  ['a removed event', 6n, /missing/, ['DELETE FROM es.events WHERE position = 6']],
  ['a removed event that no seal covers', 27n, /missing/, ['DELETE FROM es.events WHERE position = 27']],
  [
    'two swapped events',
    13n,
    /chain hash/,
    [
      'UPDATE es.events SET position = -position WHERE position IN (13, 14)',
      'UPDATE es.events SET position = 27 + position WHERE position IN (-13, -14)',
    ],
  ],
  ['a cut end', 27n, /missing/, [CUT(26)]],
  ['a cut end of which the head knows', 24n, /missing/, [CUT(23), REHASH(23)]],
  ['a cut end without its seals', 18n, /missing/, [CUT(17), REHASH(17), STREAMS, STREAM_VERSIONS, SEALS(1)]],
  [
    'a cut of everything',
    1n,
    /missing/,
    [
      'DELETE FROM es.events',
      "UPDATE es.log_head SET position = 0, chain_hash = sha256('drover event log'), recorded_ms = 0",
      STREAMS,
      SEALS(0),
    ],
  ],
  ['a rewritten end with recomputed hashes', 15n, /not the event that seal 2 was made over/, [FORGE(15), REHASH(15)]],
  [
    'a rewritten end, seals and all',
    1n,
    /1 to 10 are not those that seal 1 was made over/,
    [FORGE(7), REHASH(7), SEALS(0)],
  ],
  [
    'a rewritten piece that breaks the chain only behind it',
    3n,
    /seal 1 was made over/,
    [
      `CREATE TEMP TABLE behind AS SELECT position, chain_hash FROM es.events WHERE position > 8`,
      FORGE(3),
      REHASH(3),
      `UPDATE es.events e SET chain_hash = k.chain_hash FROM behind k WHERE k.position = e.position`,
    ],
  ],
  ['a whole log by another hand', 1n, /seal 1 was made over/, [FORGE(1), REHASH(1)]],
  ['an end cut back to before its seal, while streams still count it', 26n, /by its own count/, [CUT(25), REHASH(25)]],
  ['a head with another time', 30n, /another time/, ['UPDATE es.log_head SET recorded_ms = recorded_ms + 1']],
  [
    'an event beyond the head',
    28n,
    /before event 29/,
    [
      `UPDATE es.log_head h SET position = 28, chain_hash = e.chain_hash, recorded_ms = e.recorded_ms FROM es.events e WHERE e.position = 28`,
    ],
  ],
])('%s is found at its position', async (_, at, reason, statements) => {
  await tamper(ground, ...statements);
  expect(await first()).toMatchObject({ position: at, reason: expect.stringMatching(reason) });
});

it('what was rewritten together with its seals shows in the file only', async () => {
  await tamper(ground, CUT(17), REHASH(17), STREAMS, STREAM_VERSIONS, SEALS(1));
  expect(await first(false)).toBeUndefined();
  expect(await first(true)).toMatchObject({ kind: 'event', position: 18n });
});

describe('seals', () => {
  const kinds = async () => (await verifierOf(ground).verify()).findings.map(({ kind, position }) => [kind, position]);

  it.each<[string, string, [string, bigint][]]>([
    [
      'another count',
      `UPDATE audit.seals SET seal = replace(seal, '"events":10', '"events":11') WHERE seq = 2`,
      [
        ['seal', 11n],
        ['sink', 11n],
      ],
    ],
    [
      'another signature',
      `UPDATE audit.seals SET seal = regexp_replace(seal, '"signature":"..', '"signature":"AA') WHERE seq = 2`,
      [
        ['seal', 11n],
        ['sink', 11n],
      ],
    ],
    [
      'no JSON',
      `UPDATE audit.seals SET seal = 'x' WHERE seq = 1`,
      [
        ['seal', 1n],
        ['sink', 1n],
      ],
    ],
    ['other columns', `UPDATE audit.seals SET to_position = 24 WHERE seq = 3`, [['seal', 21n]]],
    ['one removed', `DELETE FROM audit.seals WHERE seq = 2`, [['seal', 11n]]],
    ['the last removed', `DELETE FROM audit.seals WHERE seq = 3`, [['seal', 21n]]],
  ])('altered in the database are found: %s', async (_, sql, expected) => {
    await tamper(ground, sql);
    expect(await kinds()).toEqual(expected);
  });

  it('altered, removed or invented in the file are found', async () => {
    const text = await readFile(ground.sinkFile, 'utf8');
    const lines = text.split('\n');
    const file = async (content: string) => {
      await writeFile(ground.sinkFile, content);
      return kinds();
    };
    expect(await file(text.replace('"events":10', '"events":12'))).toEqual([
      ['sink', 1n],
      ['sink', 1n],
    ]);
    expect(await file([...lines.slice(0, 2), ...lines.slice(3)].join('\n'))).toEqual([['sink', 11n]]);
    expect(await file(lines.slice(0, 3).join('\n') + '\n')).toEqual([['sink', 21n]]);
    expect(await file('')).toEqual([
      ['sink', 1n],
      ['sink', 11n],
      ['sink', 21n],
    ]);
    expect((await file(`${text}nonsense\n`))[0]).toEqual(['sink', 0n]);
    expect(await file(`${text}${lines[3]}\n{"half`)).toEqual([]);
  });

  it('and events altered together are both found, the event by the file’s seal', async () => {
    await tamper(
      ground,
      FORGE(15),
      REHASH(15),
      `UPDATE audit.seals SET seal = replace(seal, '"events":10', '"events":11') WHERE seq = 2`,
    );
    expect(await kinds()).toEqual([
      ['event', 15n],
      ['seal', 11n],
      ['sink', 11n],
    ]);
  });

  it('whose hashes were altered too still tell the range', async () => {
    await tamper(
      ground,
      FORGE(15),
      REHASH(15),
      `UPDATE audit.seals SET leaves = set_byte(leaves, 0, 255 - get_byte(leaves, 0)) WHERE seq = 2`,
    );
    expect(await first()).toMatchObject({
      position: 11n,
      reason: expect.stringMatching(/11 to 20 are not those that seal 2/),
    });
  });

  it('signed by a key that somebody put in the place of ours are not believed', async () => {
    const forger = await postgresGround();
    await appendEvents(forger.store, 5);
    await forger.sealAll();
    const [key] = await forger.seals.keyTexts();
    await forger.close();
    await tamper(ground, `UPDATE audit.keys SET record = '${key}'`);
    const [finding] = (await verifierOf(ground).verify()).findings;
    expect(finding).toMatchObject({ kind: 'key', reason: expect.stringMatching(/key 1 in the database differs/) });
  });
});

it('on a store without a chain, what was altered shows against the seals, at its position', async () => {
  const memory = await memoryGround();
  for (let n = 0; n < 5; n++) await appendEvents(memory.store, 5);
  await memory.sealAll();
  await appendEvents(memory.store, 5);
  expect(await verifierOf(memory).verify()).toMatchObject({
    intact: true,
    events: 30,
    seals: { count: 3, sealedThrough: 25n },
  });
  const altered = async (change: (log: Record<string, unknown>[]) => void) => {
    const events = (memory.store as unknown as { log: Record<string, unknown>[] }).log;
    const kept = [...events];
    change(events);
    const report = await verifierOf(memory).verify();
    events.splice(0, events.length, ...kept);
    return report.findings[0];
  };
  const forged = (event: Record<string, unknown>) => ({ ...event, data: { n: 'forged' } });
  expect(await altered((log) => log.splice(14, 1, forged(log[14]!)))).toMatchObject({ kind: 'event', position: 15n });
  expect(await altered((log) => log.splice(23, 7))).toMatchObject({ kind: 'event', position: 24n });
  expect(
    await altered((log) => log.splice(12, 2, { ...log[13], position: 13n }, { ...log[12], position: 14n })),
  ).toMatchObject({ position: 13n });
  // No seal covers it yet: it shows from the next one on.
  expect(await altered((log) => log.splice(27, 1, forged(log[27]!)))).toBeUndefined();
  await memory.close();
});
