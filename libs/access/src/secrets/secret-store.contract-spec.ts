import { systemIds, systemRandom } from '#kernel';
import { EnvelopeSecretStore } from './envelope-secret-store.js';
import { MemorySecretRows } from './memory-secret-rows.js';
import { secretStoreContract } from '../testing/secret-store-contract.js';

secretStoreContract('in memory', async () => {
  const rows = new MemorySecretRows();
  return { rows, close: async () => undefined };
});

describe('opening secrets under another master key', () => {
  it('fails', async () => {
    const rows = new MemorySecretRows();
    const store = (key: number) => new EnvelopeSecretStore(rows, new Uint8Array(32).fill(key), systemRandom, systemIds);
    const { ref } = await store(1).put('cluster-1', 'kubeconfig', 'text');
    await expect(store(2).get(ref)).rejects.toThrow();
  });
});
