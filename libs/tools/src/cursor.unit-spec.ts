import { RefusedError } from '#kernel';
import { position } from '#event-store';
import { CursorCodec } from './cursor.js';

describe('a cursor', () => {
  const cursors = new CursorCodec(new Uint8Array(32).fill(3));

  it('comes back as the position it was made of, for its account only', () => {
    const cursor = cursors.encode('account-a', position(42));
    expect(cursors.decode('account-a', cursor)).toBe(42n);
    expect(() => cursors.decode('account-b', cursor)).toThrow(RefusedError);
    expect(cursors.encode('account-a', position(42))).toBe(cursor);
  });

  it('tells nothing and takes nothing else', () => {
    const cursor = cursors.encode('account-a', position(42));
    expect(Buffer.from(cursor, 'base64url').includes(Buffer.from([0, 0, 42]))).toBe(false);
    for (const forged of ['', '42', `${cursor}AAAA`, cursor.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))]) {
      expect(() => cursors.decode('account-a', forged)).toThrow(RefusedError);
    }
  });
});
