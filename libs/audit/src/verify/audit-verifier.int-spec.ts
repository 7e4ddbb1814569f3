import { appendEvents, memoryGround } from '../testing/audit-ground.js';
import {
  CUT,
  FORGE,
  kept,
  REHASH,
  SEALS,
  STREAM_VERSIONS,
  STREAMS,
  tamper,
  useTamperedGround,
  verifierOf,
} from '../testing/tampered-ground.js';

const log = useTamperedGround();

it('an untouched log is intact, in one call and in several', async () => {
  const report = await verifierOf(log.ground).verify();
  expect(report).toMatchObject({ intact: true, findings: [], events: 30, through: 30n, complete: true });
  expect(report.seals).toMatchObject({ count: 3, sealedThrough: 25n, inFile: 3 });
  expect(report.chain).toBe((await log.ground.log.read(29n, 1))[0]!.chain);
  let events = 0;
  for (let after = 0n, complete = false; !complete;) {
    const part = await verifierOf(log.ground).verify({ after, maxEvents: 1 });
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
      await tamper(log.ground, `UPDATE es.events SET ${column} = ${value} WHERE position = ${at}`);
      expect(await log.first()).toMatchObject({ kind: 'event', position: BigInt(at) });
      await tamper(
        log.ground,
        `DELETE FROM es.events WHERE position IN (${at}, 1000)`,
        `INSERT INTO es.events SELECT * FROM ${kept('es.events')} WHERE position = ${at}`,
      );
    }
    expect(await log.first()).toBeUndefined();
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
  await tamper(log.ground, ...statements);
  expect(await log.first()).toMatchObject({ position: at, reason: expect.stringMatching(reason) });
});

it('what was rewritten together with its seals shows in the file only', async () => {
  await tamper(log.ground, CUT(17), REHASH(17), STREAMS, STREAM_VERSIONS, SEALS(1));
  expect(await log.first(false)).toBeUndefined();
  expect(await log.first(true)).toMatchObject({ kind: 'event', position: 18n });
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
