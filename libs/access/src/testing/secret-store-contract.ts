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

    it('shreds everything of a subject and nothing of another, says what and when, and again the same', async () => {
      const kept = await store.put(`${subject}-other`, 'token', 'kept');
      const gone = await store.put(subject, 'token', 'gone');
      await store.put(subject, 'kubeconfig', 'gone');
      const { keyId } = (await opened.rows.key(subject))!;
      const shredded = await store.shred(subject);
      expect(shredded).toEqual({ keyId, names: ['kubeconfig', 'token'], atMs: expect.any(Number) });
      expect(await store.shred(subject)).toEqual(shredded);
      expect(await store.get(gone.ref)).toBeUndefined();
      expect(await store.find(gone.ref)).toEqual({ kind: 'shredded', atMs: shredded.atMs });
      expect(await store.find(kept.ref)).toEqual({ kind: 'found', plaintext: 'kept' });
      expect(await store.find(`${subject}-none#token`)).toEqual({ kind: 'unknown' });
    });

    it('keeps nothing for a subject that has ended, whether it ever had a secret or not', async () => {
      await store.put(subject, 'token', 'a');
      await store.shred(subject);
      expect(await store.shred(`${subject}-bare`)).toMatchObject({ keyId: null, names: [] });
      for (const ended of [subject, `${subject}-bare`]) {
        const put = store.put(ended, 'token', 'late');
        await expect(put).rejects.toMatchObject({ refusal: { status: 410, code: 'secrets_shredded' } });
        expect(await store.get(`${ended}#token`)).toBeUndefined();
      }
    });

    it('leaves nothing behind when a writer and the end of the subject meet', async () => {
      for (let round = 0; round < 20; round++) {
        const racing = `${subject}-${round}`;
        const puts = [1, 2, 3].map((n) => store.put(racing, `s${n}`, 'v').catch(() => undefined));
        await store.shred(racing);
        await Promise.all(puts);
        for (const n of [1, 2, 3]) expect(await store.get(`${racing}#s${n}`)).toBeUndefined();
      }
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
