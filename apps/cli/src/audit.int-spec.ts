import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '../../platform/src/testing/test-platform.js';
import { runAudit } from './audit.js';

let drover: TestPlatform;
let at: (name: string) => string;
beforeAll(async () => {
  drover = await startTestPlatform();
  at = (name) => join(drover.dataDir, name);
  for (let n = 0; n < 5; n++) await drover.rest('system_create_template', { name: `t-${n}` });
  await drover.rest('seal_audit', {});
});
afterAll(() => drover.stop());

/** One command line after `drover audit`; without a platform when `offline`. */
const audit = async (line: string, { json = false, offline = false } = {}) => {
  const lines: string[] = [];
  const online = offline ? {} : { url: drover.url, token: drover.token };
  const code = await runAudit({
    flags: { json, ...online },
    help: false,
    words: line.split(' '),
    env: { DROVER_DATA_DIR: '/nowhere' },
    output: { out: (text) => void lines.push(text), progress: () => undefined },
  });
  return { code, text: lines.join('\n') };
};
const keyId = async (): Promise<string> =>
  ((await drover.rest('list_audit_keys', {})).body.data.keys as { id: string }[])[0]!.id;

it('verifies the platform’s log and ends with 0', async () => {
  const { code, text } = await audit('verify');
  expect(code).toBe(0);
  expect(text).toMatch(
    /^the log is intact: \d+ events in .*\n1 seal through event \d+, 1 in the file outside the database/,
  );
});

it('proves an event and checks the proof without the platform; a changed proof ends with 1', async () => {
  const { events } = (await drover.rest('recent_events', {})).body.data as { events: { id: string }[] };
  const { code, text } = await audit(`prove ${events[0]!.id}`);
  expect(code).toBe(0);
  await writeFile(at('proof.json'), text);
  const good = await audit(`check-proof ${at('proof.json')} --key ${await keyId()}`, { offline: true });
  expect(good).toEqual({ code: 0, text: expect.stringContaining(`proven: `) });
  for (const [from, to] of [
    ['"index": ', '"index": 1'],
    ['"streamversion": ', '"streamversion": 1'],
    ['"accountid": "', '"accountid": "x'],
    ['"root": "', '"root": "f'],
    ['"type": "system', '"type": "systen'],
  ] as const) {
    await writeFile(at('forged.json'), text.replace(from, to));
    expect([from, (await audit(`check-proof ${at('forged.json')}`, { offline: true })).code]).toEqual([from, 1]);
  }
  const stranger = await audit(`check-proof ${at('proof.json')} --key ${'0'.repeat(64)}`, { offline: true });
  expect(stranger).toEqual({ code: 1, text: expect.stringContaining('none of the keys that were given') });
});

describe.each(['', ' --all'])('export%s', (scope) => {
  const file = () => at(`export${scope.trim()}.jsonl`);
  it('goes on where it was cut, and is checked without the platform', async () => {
    expect((await audit(`export --out ${file()}${scope}`)).code).toBe(0);
    const whole = await readFile(file(), 'utf8');
    const bookmark = JSON.parse(await readFile(`${file()}.cursor`, 'utf8')) as { bytes: number };
    expect(bookmark.bytes).toBe(Buffer.byteLength(whole));
    // A page that was cut in the middle, and one event more.
    await writeFile(file(), `${whole}{"half`);
    await drover.rest('system_create_template', { name: `more${scope.trim()}` });
    await drover.rest('seal_audit', {});
    expect((await audit(`export --out ${file()}${scope} --resume`)).code).toBe(0);
    expect((await readFile(file(), 'utf8')).startsWith(whole)).toBe(true);
    const sealed = `verify --file ${file()} --key ${await keyId()}`;
    const { code, text } = await audit(`${sealed} --seals ${at('audit/seals.jsonl')}`, { offline: true });
    expect(text).toMatch(
      scope === '' ? /intact: \d+ events of one account/ : /intact: \d+ events, the whole log, \d seals/,
    );
    expect(code).toBe(0);
  });

  it('shows every line that was changed, left out or put elsewhere', async () => {
    const lines = (await readFile(file(), 'utf8')).trim().split('\n');
    const first = lines.findIndex((line) => line.includes('system.template.created'));
    const changed: [string, string[]][] = [
      ['payload', lines.map((line, i) => (i === first ? line.replace('"name":"t-', '"name":"x-') : line))],
      [
        'meta',
        lines.map((line, i) => (i === first ? line.replace('\\"kind\\":\\"operator', '\\"kind\\":\\"operatos') : line)),
      ],
      [
        'time',
        lines.map((line, i) => (i === first ? line.replace(/"recordedtime":"..../, '"recordedtime":"1999') : line)),
      ],
      ['left out', lines.filter((_, i) => i !== first)],
      ['swapped', lines.map((line, i) => lines[i === first ? i + 1 : i === first + 1 ? i - 1 : i] ?? line)],
      ['seal', lines.map((line) => line.replace('"events":', '"events":1'))],
      ['without keys', lines.filter((line) => !line.includes('drover.audit.key'))],
    ];
    for (const [what, content] of changed) {
      await writeFile(at('forged.jsonl'), `${content.join('\n')}\n`);
      const { code, text } = await audit(`verify --file ${at('forged.jsonl')}`, { offline: true });
      expect([what, code, text.startsWith('THE EXPORT IS NOT INTACT')]).toEqual([what, 1, true]);
    }
  });
});

it('the end of an export that was sealed only later is checked against a copy of the file of seals', async () => {
  await drover.rest('system_create_template', { name: 'late' });
  await audit(`export --out ${at('early.jsonl')} --all`);
  expect((await audit(`verify --file ${at('early.jsonl')}`, { offline: true })).text).toMatch(/covered by no seal yet/);
  await drover.rest('seal_audit', {});
  const withSeals = `verify --file ${at('early.jsonl')} --seals ${at('audit/seals.jsonl')}`;
  const { code, text } = await audit(withSeals, { offline: true });
  expect([code, text.includes('no seal yet')]).toEqual([0, false]);
  const forged = (await readFile(at('early.jsonl'), 'utf8')).replace('"name":"late"', '"name":"fake"');
  await writeFile(at('early.jsonl'), forged);
  expect((await audit(withSeals, { offline: true })).code).toBe(1);
});

it('a log that was cut shows against a copy of the file of seals', async () => {
  const file = at('export--all.jsonl');
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const lastSeal = lines.findLastIndex((line) => line.includes('drover.audit.seal'));
  const previous = lines.findLastIndex((line, i) => i < lastSeal && line.includes('drover.audit.seal'));
  const cut = [...lines.slice(0, previous + 1), ...lines.slice(lastSeal + 1)];
  await writeFile(at('cut.jsonl'), `${cut.join('\n')}\n`);
  expect((await audit(`verify --file ${at('cut.jsonl')}`, { offline: true })).code).toBe(0);
  const found = await audit(`verify --file ${at('cut.jsonl')} --seals ${at('audit/seals.jsonl')}`, { offline: true });
  expect(found).toEqual({
    code: 1,
    text: expect.stringMatching(/the export lacks seal \d of .*: it is older than that, or the log was cut/),
  });
});

it('says what is wrong with a platform’s log, where, and ends with 1', async () => {
  await truncate(at('audit/seals.jsonl'), 10);
  const { code, text } = await audit('verify');
  expect(code).toBe(1);
  expect(text).toMatch(/^THE LOG IS NOT INTACT\n  file of seals, from event 1: seal 1 is missing/);
  const json = await audit('verify', { json: true });
  expect(JSON.parse(json.text)).toMatchObject({
    success: true,
    data: { intact: false, first_problem: { position: '1' } },
  });
});

it.each([
  ['verify --key x', '64 hexadecimal'],
  ['verify --seals x', 'need --file'],
  ['prove', 'needs an event id'],
  ['export --resume', '--resume needs --out'],
  ['export --file x', 'has no --file'],
  ['verify --file /nowhere/x', 'cannot be read'],
])('%s is refused', async (line, message) => {
  const refused = await audit(line).then(
    () => undefined,
    (error: unknown) => error as { message: string; why: string; exitCode: number },
  );
  expect(refused).toMatchObject({ exitCode: 2 });
  expect(`${refused?.message} ${refused?.why}`).toContain(message);
});

it('leaves the plain tools to the registry', async () => {
  expect((await audit('keys')).code).toBeUndefined();
});
