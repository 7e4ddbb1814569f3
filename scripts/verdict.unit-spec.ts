import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SCRIPT = join(import.meta.dirname, 'verdict.mjs');
const dir = mkdtempSync(join(tmpdir(), 'drover-verdict-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const GOOD = { success: true, numPassedTests: 4, numFailedTests: 0, numRuntimeErrorTestSuites: 0 };
const verdictOf = (suitesCode: number, checkCode: number, ...suites: readonly object[]) => {
  const files = suites.map((suite, i) => {
    const file = join(dir, `${i}.json`);
    writeFileSync(file, JSON.stringify({ ...GOOD, numPendingTests: 0, numTodoTests: 0, ...suite }));
    return file;
  });
  const argv = [SCRIPT, `${suitesCode}`, `${checkCode}`, ...files];
  const { status, stdout } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  return [status, stdout.trim()];
};

it('the last line of the gate says that something failed whenever the gate fails', () => {
  expect(verdictOf(0, 0, {}, {})).toEqual([0, '8 passed, 0 failed']);
  expect(verdictOf(0, 1, {}, {})).toEqual([1, '8 passed, 1 failed']);
  expect(verdictOf(1, 0, {}, {})).toEqual([1, '8 passed, 1 failed']);
  const bad = { success: false, numFailedTests: 2 };
  expect(verdictOf(1, 2, bad, { numPendingTests: 1 })).toEqual([1, '8 passed, 4 failed']);
});
