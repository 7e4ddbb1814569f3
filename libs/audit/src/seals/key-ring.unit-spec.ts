import { ManualClock, systemIds, systemRandom } from '#kernel';
import { EnvelopeSecretStore, MemorySecretRows } from '#access';
import type { KeyRecord } from '../proof/keys.js';
import { KeyRing } from './key-ring.js';
import { MemorySealStore } from './memory-seal-store.js';
import type { SealHead } from './seal-store.js';

/** Counts the private keys that are stored, and ends what would store them without end. */
class CountedRows extends MemorySecretRows {
  puts = 0;
  override put(...args: Parameters<MemorySecretRows['put']>): ReturnType<MemorySecretRows['put']> {
    if (++this.puts > 9) throw new Error('too many private keys');
    return super.put(...args);
  }
}

class AlteredSealStore extends MemorySealStore {
  held = Infinity;
  counted = Infinity;
  override async keys(): Promise<readonly KeyRecord[]> {
    return (await super.keys()).slice(0, this.held);
  }
  override async head(): Promise<SealHead> {
    const head = await super.head();
    return { ...head, keySeq: Math.min(head.keySeq, this.counted) };
  }
  override async addKey(record: KeyRecord, commandId: string): Promise<'added' | 'moved'> {
    return (await this.head()).keySeq === record.seq - 1 ? super.addKey(record, commandId) : 'moved';
  }
}

const ringOf = () => {
  const [rows, store] = [new CountedRows(), new AlteredSealStore()];
  const secrets = new EnvelopeSecretStore(rows, new Uint8Array(32).fill(7), systemRandom, systemIds);
  return { rows, store, secrets, ring: new KeyRing(store, secrets, new ManualClock(0)) };
};

it.each<[string, (store: AlteredSealStore) => void, string]>([
  [
    'every row was removed',
    (store) => (store.held = 0),
    'audit.keys has 0 keys of the seals where audit.head counts 2',
  ],
  ['the last row was removed', (store) => (store.held = 1), 'audit.keys has 1 keys .* audit.head counts 2'],
  ['the count was set back', (store) => (store.counted = 1), 'audit.keys has 2 keys .* audit.head counts 1'],
])('no private key is made where %s', async (_, alter, message) => {
  const { rows, store, ring } = ringOf();
  await ring.current();
  await ring.rotate('command-1');
  expect(rows.puts).toBe(2);
  alter(store);
  await expect(ring.current()).rejects.toThrow(new RegExp(message));
  await expect(ring.rotate('command-2')).rejects.toThrow(new RegExp(message));
  expect(rows.puts).toBe(2);
});

it('a key that somebody else adds in between is no missing one', async () => {
  const { store, ring } = ringOf();
  await ring.current();
  const keys = store.keys.bind(store);
  store.keys = async () => {
    store.keys = keys;
    await ring.rotate('command-1');
    return keys();
  };
  expect((await ring.current()).record.seq).toBe(2);
});

it('keeps no private key that lost a race and was never published, and every one that was', async () => {
  const { store, secrets, ring } = ringOf();
  await ring.current();
  const addKey = store.addKey.bind(store);
  const offered: string[] = [];
  store.addKey = async (record, commandId) => {
    offered.push(record.key);
    if (offered.length === 1) await ring.rotate('command-2');
    return addKey(record, commandId);
  };
  await ring.rotate('command-1');
  const published = (await store.keys()).map(({ key }) => key);
  const [loser, ...winners] = offered;
  expect(published).toEqual([expect.any(String), ...winners]);
  expect(published).not.toContain(loser);
  const pem = (key: string) => secrets.get(`audit-keys#${key}`);
  expect(await pem(loser!)).toBe('');
  for (const key of published) expect(await pem(key)).toContain('PRIVATE KEY');
});
