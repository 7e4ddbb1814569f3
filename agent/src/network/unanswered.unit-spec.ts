import { Unanswered } from './unanswered.js';

describe('what was sent to peers and not answered', () => {
  it('is forgotten with those that are gone, and with nobody else', () => {
    const unanswered = new Unanswered();
    const says = (publicKey: string, txBytes: number, nowMs: number) =>
      unanswered.look(
        { publicKey, allowedIps: [], keepalive: 25, lastHandshakeMs: 1, rxBytes: 0, txBytes } as never,
        nowMs,
      );
    for (const key of ['a', 'b']) says(key, 0, 0);
    for (const key of ['a', 'b']) says(key, 500, 1_000);
    unanswered.keepOnly(new Set(['a']));
    expect(['a', 'b'].map((key) => says(key, 600, 60_000))).toEqual([true, false]);
  });
});
