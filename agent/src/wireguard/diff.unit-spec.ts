import fc from 'fast-check';
import { wgDiff, type DesiredWg } from './diff.js';
import { encodeSet } from './uapi-codec.js';
import { MemoryWireGuardDriver } from './memory-driver.js';
import { publicKeyOf } from './keys.js';

const KEY = Buffer.alloc(32, 9).toString('base64');
const peerKey = (n: number) => Buffer.alloc(32, n + 1).toString('base64');
const prefixes = ['fd00::1/128', 'fd00::2/128', 'fd00::100/128', '10.42.1.0/24'];

/** Each prefix belongs to one peer or to nobody, as the platform's compiler guarantees. */
const desired: fc.Arbitrary<DesiredWg> = fc
  .record({
    owners: fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 4, maxLength: 4 }),
    peers: fc.uniqueArray(fc.nat(3)),
  })
  .map(({ owners, peers }) => ({
    privateKey: KEY,
    publicKey: publicKeyOf(KEY),
    listenPort: 51820,
    peers: peers.map((n) => ({
      publicKey: peerKey(n),
      endpoint: '[fd99::1]:51820',
      keepalive: 25,
      allowedIps: prefixes.filter((_, i) => owners[i] === n),
    })),
  }));

describe('the difference between two interface states', () => {
  it('reaches any state from any other in one write, and then is empty', async () => {
    await fc.assert(
      fc.asyncProperty(desired, desired, async (from, to) => {
        const driver = new MemoryWireGuardDriver();
        await driver.ensure('wg0');
        for (const target of [from, to]) {
          const change = wgDiff(target, (await driver.read('wg0'))!);
          if (change !== undefined) await driver.write('wg0', change);
          expect(wgDiff(target, (await driver.read('wg0'))!)).toBeUndefined();
        }
      }),
    );
  });

  it('gives a prefix to its new owner before anything is taken away', async () => {
    await fc.assert(
      fc.property(desired, desired, (from, to) => {
        const actual = {
          publicKey: from.publicKey,
          listenPort: from.listenPort,
          peers: from.peers.map((p) => ({ ...p, lastHandshakeMs: 0 })),
        };
        const changes = wgDiff(to, actual)?.peers ?? [];
        const losses = changes.map((c) => c.remove === true || c.replace === true);
        expect(losses).toEqual([...losses].sort((a, b) => Number(a) - Number(b)));
      }),
    );
  });

  it('writes a VIP move as one peer and one prefix', () => {
    const text = encodeSet({ peers: [{ publicKey: peerKey(0), add: ['fd00::100/128'] }] });
    expect(text).toBe(`set=1\npublic_key=${'01'.repeat(32)}\nallowed_ip=fd00::100/128\n\n`);
  });
});
