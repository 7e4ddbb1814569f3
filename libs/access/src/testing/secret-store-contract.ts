import { systemIds, systemRandom } from '#kernel';
import { EnvelopeSecretStore } from '../secrets/envelope-secret-store.js';
import type { SecretRow, SecretRows } from '../secrets/secret-rows.js';

/** What every home of secrets must do. */
export const secretStoreContract = (
  name: string,
  open: () => Promise<{ readonly rows: SecretRows; close(): Promise<void> }>,
): void => {
  describe(`secret store, ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let store: EnvelopeSecretStore;
    let n = 0;
    let subject = '';
    beforeAll(async () => {
      opened = await open();
      store = new EnvelopeSecretStore(opened.rows, new Uint8Array(32).fill(7), systemRandom, systemIds);
    });
    afterAll(() => opened.close());
    beforeEach(() => (subject = `cluster-${++n}`));

    it('gives back what was put, and the sha256 of it', async () => {
      const { ref, digest } = await store.put(subject, 'kubeconfig', 'grün ✓\n');
      expect(await store.get(ref)).toBe('grün ✓\n');
      expect(digest).toMatch(/^[0-9a-f]{64}$/);
    });

    it('replaces under the same reference', async () => {
      const first = await store.put(subject, 'token', 'a');
      const second = await store.put(subject, 'token', 'b');
      expect(second.ref).toBe(first.ref);
      expect(await store.get(first.ref)).toBe('b');
    });

    it('knows nothing of other references', async () => {
      await store.put(subject, 'token', 'a');
      expect(await store.get(`${subject}#other`)).toBeUndefined();
      expect(await store.get('nonsense')).toBeUndefined();
    });

    it('never stores the plaintext', async () => {
      const { ref } = await store.put(subject, 'token', 'very-secret-words');
      const found = (await opened.rows.get(subject, 'token'))!;
      expect(Buffer.from(found.row.sealed).includes('very-secret')).toBe(false);
      expect(ref).not.toContain('secret-words');
    });

    it('shreds everything of a subject and nothing of another; later secrets get a new data key', async () => {
      const kept = await store.put(`${subject}-other`, 'token', 'kept');
      const gone = await store.put(subject, 'token', 'gone');
      const before = (await opened.rows.key(subject))!.keyId;
      await store.shred(subject);
      await store.shred(subject);
      expect(await store.get(gone.ref)).toBeUndefined();
      expect(await store.get(kept.ref)).toBe('kept');
      await store.put(subject, 'token', 'new');
      expect((await opened.rows.key(subject))!.keyId).not.toBe(before);
      expect(await store.get(gone.ref)).toBe('new');
    });

    it('binds a sealed secret to its subject and name', async () => {
      await store.put(subject, 'token', 'a');
      const { row, key } = (await opened.rows.get(subject, 'token'))!;
      const moved: SecretRow = { ...row, name: 'kubeconfig' };
      await opened.rows.put(moved);
      await expect(store.get(`${subject}#kubeconfig`)).rejects.toThrow();
      await opened.rows.addKey(`${subject}-b`, key);
      await opened.rows.put({ ...row, subject: `${subject}-b` });
      await expect(store.get(`${subject}-b#token`)).rejects.toThrow();
    });

    it('lets racing first writers of a subject agree on one data key', async () => {
      const refs = await Promise.all(Array.from({ length: 16 }, (_, i) => store.put(subject, `s${i}`, `v${i}`)));
      expect(await Promise.all(refs.map((r) => store.get(r.ref)))).toEqual(refs.map((_, i) => `v${i}`));
    });

    it('stores nothing under a data key that was shredded meanwhile', async () => {
      await store.put(subject, 'token', 'a');
      const { row } = (await opened.rows.get(subject, 'token'))!;
      await store.shred(subject);
      expect(await opened.rows.put(row)).toBe('shredded');
    });
  });
};
