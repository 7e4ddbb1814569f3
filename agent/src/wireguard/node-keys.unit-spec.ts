import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { armFailpoints, systemRandom } from '#kernel';
import { systemFiles } from '../adapters/files.js';
import { NodeKeys } from './node-keys.js';

const folder = () => mkdtempSync(join(tmpdir(), 'drover-keys-'));
const open = (dir: string) => new NodeKeys(systemFiles, systemRandom, join(dir, 'n.key'));

describe('the keys of a node', () => {
  it('are files that only root reads, and both outlive the agent', async () => {
    const dir = folder();
    const keys = open(dir);
    const [current, next] = [await keys.current(), await keys.prepare(3)];
    for (const file of readdirSync(dir)) expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
    const again = open(dir);
    expect([await again.current(), await again.upcoming()]).toEqual([current, next]);
    expect(await again.prepare(3)).toEqual(next);
    expect((await again.prepare(4)).publicKey).not.toBe(next.publicKey);
  });

  it('are the same for all who ask while the first one is being written', async () => {
    const dir = folder();
    const keys = open(dir);
    const [one, other, upcoming] = await Promise.all([keys.current(), keys.current(), keys.upcoming()]);
    expect(other).toEqual(one);
    expect(upcoming).toBeUndefined();
    expect([await keys.current(), await open(dir).current()]).toEqual([one, one]);
    await keys.prepare(1);
    const again = open(dir);
    const [, next] = await Promise.all([again.current(), again.upcoming()]);
    expect(next?.rotation).toBe(1);
  });

  it('are given to nobody who asks while they could not be written, and are made at the next try', async () => {
    const dir = folder();
    let isFull = true;
    const write: typeof systemFiles.write = async (...args) => {
      if (isFull) throw new Error('no space left');
      await systemFiles.write(...args);
    };
    const keys = new NodeKeys({ ...systemFiles, write }, systemRandom, join(dir, 'n.key'));
    const asked = await Promise.allSettled([keys.current(), keys.current()]);
    expect(asked.map((answer) => answer.status)).toEqual(['rejected', 'rejected']);
    isFull = false;
    expect(await keys.current()).toEqual(await open(dir).current());
  });

  it('are taken up only when it is the announced one', async () => {
    const dir = folder();
    const keys = open(dir);
    const [current, next] = [await keys.current(), await keys.prepare(1)];
    expect(await keys.takeUp(Buffer.alloc(32, 9).toString('base64'))).toBe('unknown');
    expect(await keys.takeUp(current.publicKey)).toBe('in_use');
    expect(await keys.takeUp(next.publicKey)).toBe('taken');
    expect(await keys.takeUp(next.publicKey)).toBe('in_use');
    expect(await keys.upcoming()).toBeUndefined();
    expect((await open(dir).current()).publicKey).toBe(next.publicKey);
    // The old private key is nowhere any more.
    for (const file of readdirSync(dir))
      expect(readFileSync(join(dir, file), 'utf8')).not.toContain(current.privateKey);
  });

  it.each(['agent.key_prepared', 'agent.key_taken'] as const)('are one of the two after a crash at %s', async (at) => {
    const dir = folder();
    const keys = open(dir);
    const current = await keys.current();
    if (at === 'agent.key_taken') await keys.prepare(1);
    const next = await keys.upcoming();
    armFailpoints({ DROVER_FAILPOINTS: `${at}=throw` });
    await (at === 'agent.key_taken' ? keys.takeUp(next!.publicKey) : keys.prepare(1)).catch(() => undefined);
    armFailpoints({});
    const after = open(dir);
    const has = (await after.current()).publicKey;
    expect(has).toBe(at === 'agent.key_taken' ? next!.publicKey : current.publicKey);
    // What was begun can be gone on with.
    const prepared = await after.prepare(2);
    expect(await after.takeUp(prepared.publicKey)).toBe('taken');
  });

  it('forget a key that nobody waits for, and a damaged one', async () => {
    const dir = folder();
    const keys = open(dir);
    await keys.prepare(1);
    await keys.drop();
    expect(readdirSync(dir)).toEqual(['n.key']);
    await systemFiles.write(join(dir, 'n.next.key'), 'half', 0o600);
    expect(await open(dir).upcoming()).toBeUndefined();
  });
});
