import { readFile, writeFile } from 'node:fs/promises';
import { appendEvents, postgresGround } from '../testing/audit-ground.js';
import { FORGE, REHASH, tamper, useTamperedGround, verifierOf } from '../testing/tampered-ground.js';

const log = useTamperedGround();

describe('seals', () => {
  const kinds = async () =>
    (await verifierOf(log.ground).verify()).findings.map(({ kind, position }) => [kind, position]);

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
    await tamper(log.ground, sql);
    expect(await kinds()).toEqual(expected);
  });

  it('altered, removed or invented in the file are found', async () => {
    const text = await readFile(log.ground.sinkFile, 'utf8');
    const lines = text.split('\n');
    const file = async (content: string) => {
      await writeFile(log.ground.sinkFile, content);
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
      log.ground,
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
      log.ground,
      FORGE(15),
      REHASH(15),
      `UPDATE audit.seals SET leaves = set_byte(leaves, 0, 255 - get_byte(leaves, 0)) WHERE seq = 2`,
    );
    expect(await log.first()).toMatchObject({
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
    await tamper(log.ground, `UPDATE audit.keys SET record = '${key}'`);
    const [finding] = (await verifierOf(log.ground).verify()).findings;
    expect(finding).toMatchObject({ kind: 'key', reason: expect.stringMatching(/key 1 in the database differs/) });
  });
});
