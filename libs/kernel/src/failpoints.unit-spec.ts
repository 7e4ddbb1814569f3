import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAILPOINTS, type FailpointName } from './failpoint-registry.js';
import {
  armFailpoints,
  failpoint,
  failpointNow,
  FailpointError,
  FailpointReached,
  parseFailpoints,
} from './failpoints.js';

const ROOT = join(import.meta.dirname, '../../..');
afterEach(() => void armFailpoints({}));

const sources = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('-spec.ts') && !file.includes('node_modules'))
    .map((file) => join(folder, file));

/** `failpoint('a')`, `failpointNow('a')`, and both branches of `failpointNow(x ? 'a' : 'b')`. */
const reached = (text: string): string[] =>
  [...text.matchAll(/\bfailpoint(?:Now)?\(([^)]*)\)/g)].flatMap(([, inside]) =>
    [...inside!.matchAll(/'([a-z0-9_.]+)'/g)].map(([, name]) => name!),
  );

it('each registered failpoint stands in the file that is claimed, and no other stands anywhere', () => {
  const files = ['libs', 'apps', 'agent']
    .flatMap(sources)
    .filter((file) => !file.startsWith('libs/kernel/src/failpoint'));
  const found = files.flatMap((file) =>
    reached(readFileSync(join(ROOT, file), 'utf8')).map((name) => `${name} in ${file}`),
  );
  const claimed = Object.entries(FAILPOINTS).map(([name, { file }]) => `${name} in ${file}`);
  expect([...new Set(found)].toSorted()).toEqual(claimed.toSorted());
  expect(claimed.length).toBeGreaterThanOrEqual(40);
});

it('nothing happens at a failpoint that is not armed, and there is nothing to wait for', () => {
  expect(failpoint('append.committed')).toBeUndefined();
  armFailpoints({ DROVER_FAILPOINTS: 'append.answered=throw' });
  expect(failpoint('append.committed')).toBeUndefined();
});

it('an armed one acts at the time that is named, and at no other', async () => {
  armFailpoints({ DROVER_FAILPOINTS: 'append.committed=throw#3, timer.due=sleep:30' });
  for (const nth of [1, 2, 3, 4]) {
    if (nth === 3) expect(() => failpoint('append.committed')).toThrow(FailpointReached);
    else expect(failpoint('append.committed')).toBeUndefined();
  }
  const started = performance.now();
  await failpoint('timer.due');
  expect(performance.now() - started).toBeGreaterThanOrEqual(25);
  expect(failpoint('timer.due')).toBeUndefined();
});

it('where nothing can be awaited a sleep holds the process up', () => {
  armFailpoints({ DROVER_FAILPOINTS: 'receipt.heard=sleep:30' });
  const started = performance.now();
  failpointNow('receipt.heard');
  expect(performance.now() - started).toBeGreaterThanOrEqual(25);
});

it('acts once among all processes that share a folder, and leaves its name there', () => {
  const dir = mkdtempSync(join(tmpdir(), 'drover-failpoints-'));
  const env = { DROVER_FAILPOINTS: 'append.committed=throw', DROVER_FAILPOINTS_DIR: dir };
  armFailpoints(env);
  expect(() => failpoint('append.committed')).toThrow(FailpointReached);
  expect(readdirSync(dir)).toEqual(['append.committed']);
  armFailpoints(env);
  expect(failpoint('append.committed')).toBeUndefined();
  rmSync(dir, { recursive: true });
});

it.each([
  ['append.comitted=kill', 'there is no failpoint append.comitted; did you mean append.committed?'],
  ['zzz=kill', 'npm run soak -- failpoints --list'],
  ['append.committed=die', 'must be NAME=kill'],
  ['append.committed', 'must be NAME=kill'],
  ['append.committed=sleep', 'must be NAME=kill'],
])('%s is refused in words', (text, words) => {
  expect(() => parseFailpoints(text)).toThrow(FailpointError);
  expect(() => parseFailpoints(text)).toThrow(words);
});

it('kill, sleep and their times are understood', () => {
  expect(parseFailpoints('timer.due=sleep:1000#2,append.committed=kill')).toEqual([
    { name: 'timer.due' satisfies FailpointName, action: { kind: 'sleep', ms: 1_000 }, nth: 2 },
    { name: 'append.committed', action: { kind: 'kill' }, nth: 1 },
  ]);
});
