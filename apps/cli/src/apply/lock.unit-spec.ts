import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplyRig } from '../testing/apply-rig.js';
import { locked } from './lock.js';
import { recordFile } from './record.js';

let home: string;
let file: string;
let lock: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'drover-lock-'));
  file = join(home, 'records/one.json');
  lock = `${file}.lock`;
});
afterEach(() => rmSync(home, { recursive: true }));

const free = async () => undefined;
/** Somebody's, as this process would have written it but for that. */
const left = async (other: object) => {
  let mine = {};
  rmSync(lock, { force: true });
  await locked(file, async () => void (mine = JSON.parse(readFileSync(lock, 'utf8')) as object));
  writeFileSync(lock, JSON.stringify({ ...mine, ...other }));
};

describe('one apply of a record at a time', () => {
  it('is refused while another is under way, and goes on after it, whatever became of it', async () => {
    await locked(file, async () => {
      const why = expect.stringMatching(new RegExp(`^process ${process.pid} on `));
      await expect(locked(file, free)).rejects.toMatchObject({ exitCode: 6, why });
      await locked(join(home, 'records/two.json'), free);
    });
    await expect(locked(file, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await locked(file, async () => 'done')).toBe('done');
    expect(readdirSync(join(home, 'records'))).toEqual([]);
  });

  it('is adopted from a process that is gone, and from one whose id another has by now', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    for (const gone of [{ pid }, { pid: process.ppid, began: 'another time' }, {}]) {
      await left(gone);
      expect(await locked(file, async () => existsSync(lock))).toBe(true);
      expect(existsSync(lock)).toBe(false);
    }
  });

  it('is left to a process that is there, to one of another machine, and to what is no lock', async () => {
    await left({ pid: process.ppid, began: null });
    await expect(locked(file, free)).rejects.toMatchObject({ exitCode: 6 });
    await left({ pid: 1, host: `not-${hostname()}` });
    await expect(locked(file, free)).rejects.toMatchObject({ hint: expect.stringContaining(`rm ${lock}`) });
    writeFileSync(lock, '');
    await expect(locked(file, free)).rejects.toMatchObject({ why: `${lock} is there` });
    expect(existsSync(lock)).toBe(true);
  });

  it('leaves it to what is written there to say that nothing can be', async () => {
    writeFileSync(join(home, 'records'), 'a file');
    expect(await locked(file, async () => 'done')).toBe('done');
  });

  it('hears of the end of this process only as long as it lasts', async () => {
    const heard = () => ['exit', 'SIGINT', 'SIGTERM'].map((name) => process.listenerCount(name));
    const before = heard();
    await locked(file, async () => expect(heard()).toEqual(before.map((count) => count + 1)));
    expect(heard()).toEqual(before);
  });
});

it('a second apply calls nothing while the first one is under way; a preview is answered', async () => {
  const rig = new ApplyRig();
  try {
    const record = recordFile({ HOME: rig.home }, 'http://platform.test', 'default');
    const [second, preview] = await locked(record, async () => [
      await rig.apply('kind: Template\nname: one\n', {}, {}),
      await rig.apply('kind: Template\nname: one\n', {}, {}, 'diff'),
    ]);
    expect([second!.code, second!.called, preview!.code]).toEqual([6, [], 1]);
  } finally {
    rig.end();
  }
});
