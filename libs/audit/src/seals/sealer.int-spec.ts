import { appendFile, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { CHAIN_GENESIS, chainEntry, chainStep, contentHash, ManualClock } from '#kernel';
import { FencedError } from '#processing';
import { KeyHistory, parseKeyRecord, type KeyRecord } from '../proof/keys.js';
import { leafHash, merkleRoot } from '../proof/merkle.js';
import { parseSeal, type Seal } from '../proof/seal.js';
import { SealChain } from '../proof/seal-chain.js';
import type { SealSink } from './seal-sink.js';
import { appendEvents, memoryGround, postgresGround, type AuditGround } from '../testing/audit-ground.js';

const sealsOf = async (ground: AuditGround): Promise<Seal[]> =>
  (await ground.seals.seals(0, 1_000)).map((row) => parseSeal(row.line)!);
const linesOf = async (ground: AuditGround): Promise<string[]> =>
  (await readFile(ground.sinkFile, 'utf8'))
    .split('\n')
    .slice(0, -1)
    .filter((line) => parseSeal(line) !== undefined);
const keysIn = async (ground: AuditGround): Promise<KeyRecord[]> =>
  (await readFile(ground.sinkFile, 'utf8'))
    .split('\n')
    .map(parseKeyRecord)
    .filter((record) => record !== undefined);
const mustAgree = async (ground: AuditGround) => {
  expect(await linesOf(ground)).toEqual((await ground.seals.seals(0, 1_000)).map((row) => row.line));
  expect(await keysIn(ground)).toEqual(await ground.seals.keys());
};

describe.each([
  ['on a store without a chain', memoryGround],
  ['on Postgres', postgresGround],
])('the sealer %s', (_, open: () => Promise<AuditGround>) => {
  let ground: AuditGround;
  beforeEach(async () => {
    ground = await open();
  });
  afterEach(() => ground.close());

  it('covers every event once, in runs of bounded length, with roots and chain that anyone can recompute', async () => {
    for (let n = 0; n < 9; n++) await appendEvents(ground.store, 3, n % 2 === 0 ? 'account-a' : 'account-b');
    await ground.sealAll();
    const seals = await sealsOf(ground);
    expect(seals.map(({ from, to, events }) => [from, to, events])).toEqual([
      ['1', '10', 10],
      ['11', '20', 10],
      ['21', '27', 7],
    ]);
    const history = new KeyHistory(await ground.keys.current().then(({ record }) => [record]));
    expect(history.problem).toBeUndefined();
    const chain = new SealChain(history);
    let hash: Uint8Array = CHAIN_GENESIS;
    for (const seal of seals) {
      expect(chain.problemOf(seal)).toBeUndefined();
      chain.accept(seal);
      const events = await ground.log.read(BigInt(seal.from) - 1n, 100, BigInt(seal.to));
      const entries = events.map((e) => chainEntry(e.position, e.recordedAt, contentHash(e.envelope)));
      expect(Buffer.from(merkleRoot(entries.map(leafHash))).toString('hex')).toBe(seal.root);
      for (const e of events) hash = chainStep(hash, e.position, e.recordedAt, contentHash(e.envelope));
      expect(Buffer.from(hash).toString('hex')).toBe(seal.chain);
    }
    await mustAgree(ground);
    expect((await stat(ground.sinkFile)).mode & 0o777).toBe(0o600);
  });

  it('adds nothing while nothing happens, and goes on where it was after a restart', async () => {
    await appendEvents(ground.store, 4);
    await ground.sealAll();
    await ground.sealAll();
    await ground.sealAll();
    expect(await sealsOf(ground)).toHaveLength(1);
    await appendEvents(ground.store, 2);
    await ground.sealAll();
    expect((await sealsOf(ground)).map(({ from, to }) => [from, to])).toEqual([
      ['1', '4'],
      ['5', '6'],
    ]);
    await mustAgree(ground);
  });

  it('lets no event wait longer than its bound', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    const sealer = ground.sealer({ clock, timers: clock, everyEvents: 100, everyMs: 60_000 });
    const stop = new AbortController();
    const run = sealer.run({ epoch: 1, signal: stop.signal });
    await appendEvents(ground.store, 3);
    const settle = () => new Promise((resolve) => setTimeout(resolve, 60));
    await settle();
    for (let s = 0; s < 50; s++) await clock.advance(1_000);
    await settle();
    expect(await sealsOf(ground)).toHaveLength(0);
    for (let tries = 0; tries < 200 && (await sealsOf(ground)).length === 0; tries++) {
      await clock.advance(1_000);
      await settle();
    }
    expect((await sealsOf(ground)).map(({ events }) => events)).toEqual([3]);
    stop.abort();
    await run;
  });

  it('brings to the file what a crash kept from it, and takes off half a line, without a gap or a repetition', async () => {
    await appendEvents(ground.store, 25);
    await ground.sealAll();
    const whole = await readFile(ground.sinkFile, 'utf8');
    for (const cut of [1, 700, whole.length - 1, whole.length]) {
      await truncate(ground.sinkFile, whole.length - cut);
      await appendEvents(ground.store, 1);
      await ground.sealAll();
      await mustAgree(ground);
    }
    await appendFile(ground.sinkFile, '{"seq":');
    await ground.sealAll();
    await mustAgree(ground);
  });

  it('writes the whole file anew where it was put aside', async () => {
    await appendEvents(ground.store, 25);
    await ground.sealAll();
    await rename(ground.sinkFile, `${ground.sinkFile}.old`);
    await ground.sealAll();
    await mustAgree(ground);
  });

  it('seals in the database while the file cannot be written, says so, and brings it there later', async () => {
    await appendEvents(ground.store, 15);
    const full: SealSink = {
      where: ground.sinkFile,
      repair: (isIncomplete) => ground.sink.repair(isIncomplete),
      lines: () => ground.sink.lines(),
      append: () => Promise.reject(new Error('no space left')),
    };
    await expect(ground.sealAll({ sink: full })).rejects.toThrow('no space left');
    expect(await sealsOf(ground)).toHaveLength(2);
    await ground.sealAll();
    await mustAgree(ground);
  });

  it('is fenced by a later leader', async () => {
    const stop = new AbortController();
    const older = ground.sealer();
    const run = older.run({ epoch: 5, signal: stop.signal });
    await appendEvents(ground.store, 5);
    while ((await ground.seals.head()).epoch !== 5) await new Promise((resolve) => setTimeout(resolve, 5));
    await ground.seals.claim(6);
    await ground.seals.want(5n);
    older.poke();
    await expect(run).rejects.toThrow(FencedError);
    await expect(ground.sealer().run({ epoch: 5, signal: stop.signal })).rejects.toThrow(FencedError);
    expect(await sealsOf(ground)).toEqual([]);
    stop.abort();
  });

  it('signs with a new key after a rotation, the new key is signed by the old one, and each seal by the one whose turn it was', async () => {
    await appendEvents(ground.store, 5);
    await ground.sealAll();
    const second = await ground.keys.rotate('command-1');
    expect(await ground.keys.rotate('command-1')).toEqual(second);
    await appendEvents(ground.store, 5);
    await ground.sealAll();
    await mustAgree(ground);
    const records = await ground.seals.keys();
    expect(records.map(({ seq, after_seal }) => [seq, after_seal])).toEqual([
      [1, 0],
      [2, 1],
    ]);
    const seals = await sealsOf(ground);
    expect(seals.map(({ key }) => key)).toEqual(records.map(({ key }) => key));
    const history = new KeyHistory(records);
    expect([history.problem, ...seals.map((seal) => history.problemOf(seal))]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    // The old key must not sign what came after it, nor a key that it did not sign take its place.
    expect(new KeyHistory(records.slice(0, 1)).problemOf(seals[1]!)).toMatch(/not in the key history/);
    expect(history.problemOf({ ...seals[0]!, seq: 2 })).toMatch(/not in use/);
    const forged = { ...records[1]!, signature: records[0]!.signature };
    expect(new KeyHistory([records[0]!, forged]).problem).toMatch(/not signed by key 1/);
    expect(new KeyHistory(records, ['0'.repeat(64)]).problem).toMatch(/none of the keys/);
  });

  it('seals nothing on top of a file that knows more than the database', async () => {
    await appendEvents(ground.store, 5);
    await ground.sealAll();
    const [line] = await linesOf(ground);
    await appendFile(ground.sinkFile, `${line!.replace('"seq":1', '"seq":2')}\n`);
    await appendEvents(ground.store, 5);
    await expect(ground.sealAll()).rejects.toThrow(/holds seal 2, which the database lacks/);
    await writeFile(ground.sinkFile, `${line!.replace('"events":5', '"events":6')}\n`);
    await expect(ground.sealAll()).rejects.toThrow(/has another seal 1/);
    expect(await sealsOf(ground)).toHaveLength(1);
  });
});

it.each([
  [
    'an altered event',
    `UPDATE es.events SET envelope = replace(envelope, 'original', 'forged') WHERE position = 7`,
    /event 7/,
  ],
  ['a removed event', 'DELETE FROM es.events WHERE position = 7', /event 7: the event is missing/],
  [
    'a seal that was altered',
    `UPDATE audit.seals SET seal = replace(seal, '"events":5', '"events":6')`,
    /signature of seal 1/,
  ],
  ['a seal that was removed', `DELETE FROM audit.seals`, /seal 1 is missing/],
  ['a key that was removed', `DELETE FROM audit.keys`, /audit.keys has 0 keys .* counts 1/],
])('%s is not sealed over', async (_, sql, message) => {
  const ground = await postgresGround();
  await appendEvents(ground.store, 5);
  await ground.sealAll();
  await appendEvents(ground.store, 5);
  await ground.pool.query(`SET session_replication_role = replica; ${sql}; SET session_replication_role = origin`);
  await expect(ground.sealAll()).rejects.toThrow(message);
  expect((await ground.seals.head()).sealSeq).toBe(1);
  await ground.close();
});
