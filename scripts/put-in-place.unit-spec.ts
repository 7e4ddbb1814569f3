import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const dir = mkdtempSync(join(tmpdir(), 'drover-in-place-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const MODULE = join(import.meta.dirname, 'put-in-place.mjs');

/** Another build comes in at the nth rename of this one. How this one ends, what is in dist/ then, and whether its own is beside it. */
const built = (raced: number, others: string) => {
  for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true });
  for (const [name, of] of [
    ['dist', 'before'],
    ['mine', 'now'],
    ['theirs', others],
  ] as const) {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, 'from'), of);
  }
  const script = `
    import { existsSync, readFileSync, renameSync } from 'node:fs';
    import { putInPlace } from '${MODULE}';
    let renames = 0;
    const rename = (a, b) => {
      if (++renames === ${raced}) {
        if (existsSync('dist')) renameSync('dist', 'theirs.old');
        else renameSync('theirs', 'dist');
      }
      renameSync(a, b);
    };
    const isThere = () => existsSync('dist/from') && readFileSync('dist/from', 'utf8') === 'now';
    putInPlace({ from: 'mine', to: 'dist', isThere, rename });`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: dir,
    encoding: 'utf8',
  });
  return [status, stderr, readFileSync(join(dir, 'dist/from'), 'utf8'), readdirSync(dir).includes('mine')];
};

it('of two builds at once both end well, whichever was first', () => {
  expect(built(0, 'now')).toEqual([0, '', 'now', false]);
  // The other one has just moved away what was there.
  expect(built(1, 'now')).toEqual([0, '', 'now', false]);
  // This one has, and the other one put its own there; the caller removes what is left.
  expect(built(2, 'now')).toEqual([0, '', 'now', true]);
  // Of other sources: the later one stays.
  expect(built(2, 'another')).toEqual([0, '', 'now', false]);
});
