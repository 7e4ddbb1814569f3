import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiledCopy } from '../../platform/src/testing/compiled-copy.js';

const NOBODY = 65_534;

/** Whether `drover --version` leaves compiled code in a home that belongs to this user. */
const keepsCodeIn = (uid: number): boolean => {
  const home = mkdtempSync(join(tmpdir(), 'drover-home-'));
  try {
    if (uid !== process.getuid!()) chownSync(home, uid, uid);
    const argv = [join(compiledCopy().root, 'bin/drover.mjs'), '--version'];
    const done = spawnSync(process.execPath, argv, { env: { HOME: home }, encoding: 'utf8' });
    expect(done).toMatchObject({ status: 0, stderr: '' });
    return existsSync(join(home, '.cache/drover/compiled'));
  } finally {
    rmSync(home, { recursive: true });
  }
};

it('keeps compiled code in the home of who runs it', () => {
  expect(keepsCodeIn(process.getuid!())).toBe(true);
});

it('and neither reads nor writes it in the home of another, as sudo -E would have it', () => {
  if (process.getuid!() !== 0) {
    console.warn('NOT TESTED: whose home it is; only root can make a home of another user');
    expect(process.env['DROVER_REQUIRE_REAL']).not.toBe('1');
    return;
  }
  expect(keepsCodeIn(NOBODY)).toBe(false);
});
