import { ManualClock } from '#kernel';
import { BinaryDigest } from './binary-digest.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the digest of the program that runs', () => {
  const rig = (digest: (path: string) => Promise<string | undefined>) => {
    const clock = new ManualClock(0);
    const read: string[] = [];
    const warned: unknown[] = [];
    const files = { digest: (path: string) => (read.push(path), digest(path)) };
    const log = { warn: (about: unknown) => void warned.push(about) };
    const ports = { clock, files, log } as unknown as ConstructorParameters<typeof BinaryDigest>[0];
    return { clock, read, warned, digest: new BinaryDigest(ports) };
  };

  it('is told once it is known, and read anew an hour later or for another program', async () => {
    let content = 'a';
    const { clock, read, digest } = rig(async (path) => `${path} ${content}`);
    expect(digest.of(undefined)).toBeUndefined();
    expect(digest.of('/k3s')).toBeUndefined();
    expect(digest.of('/k3s')).toBeUndefined();
    await settled();
    expect(digest.of('/k3s')).toBe('/k3s a');
    content = 'b';
    expect(digest.of('/k3s')).toBe('/k3s a');
    clock.advance(3_600_001);
    digest.of('/k3s');
    await settled();
    expect(digest.of('/k3s')).toBe('/k3s b');
    expect(digest.of('/other')).toBeUndefined();
    await settled();
    expect(digest.of('/other')).toBe('/other b');
    expect(read).toEqual(['/k3s', '/k3s', '/other']);
  });

  it('is not told when the file cannot be read, and why is logged', async () => {
    const { warned, digest } = rig(async () => Promise.reject(new Error('EIO')));
    digest.of('/k3s');
    await settled();
    expect(digest.of('/k3s')).toBeUndefined();
    expect(warned).toEqual([{ binary: '/k3s', error: 'EIO' }]);
  });
});
