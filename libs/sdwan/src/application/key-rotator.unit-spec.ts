import { ManualClock, silentLog } from '#kernel';
import type { PeerView } from '../domain/wireguard-compiler/model.js';
import { KeyRotator, type RotatorDeps } from './key-rotator.js';
import type { MutableNetwork } from './model-fold.js';

const MINUTE = 60_000;
const PATIENCE_MINUTES = 60;

const peer = (n: number, rotation: PeerView['keys']['rotation'], atMs: number): PeerView =>
  ({
    ...{
      peerId: `p${n}`,
      instanceId: `i${n}`,
      kind: 'node',
      name: `p${n}`,
      publiclyReachable: true,
      publicKey: `k${n}`,
    },
    keys: { rotation, rotations: 1, at: 5n, atMs, sinceMs: 0 },
  }) as unknown as PeerView;

describe('a change of key that outlives its platform', () => {
  it('gives everybody the whole patience anew, counted on a clock that nobody sets', async () => {
    const clock = new ManualClock();
    const announced = { phase: 'announced', number: 1, reason: 'operator', nextKey: 'next' } as const;
    const peers = new Map([peer(1, announced, clock.wallMs()), peer(2, null, 0)].map((one) => [one.peerId, one]));
    const network = { networkId: 'n', accountId: 'a', peers } as unknown as MutableNetwork;
    // The first two that are back; the second has not taken in what it missed.
    const link = {
      liveness: () => ({ connected: true, lost: false, silentMs: 0, applied: new Map([['network/n', 4n]]) }),
    };
    // An hour off when it boots, and set right a moment later.
    let offMs = -PATIENCE_MINUTES * MINUTE;
    const wall = { wallMs: () => clock.wallMs() + offMs, monotonicMs: () => clock.monotonicMs() };
    const deps = {
      ...{ clock: wall, timers: clock, link, log: silentLog, maxAgeDays: 0, patienceMinutes: PATIENCE_MINUTES },
      model: { onEvent: () => undefined, networks: new Map() },
      lastHandshakeMs: () => undefined,
    } as unknown as RotatorDeps;
    const rotator = new KeyRotator(deps);
    await clock.advance(3 * PATIENCE_MINUTES * MINUTE);
    rotator.start({ onLead: (listener) => listener(true) });
    offMs = 0;
    const kinds = () => rotator.plan(network).steps.map(({ kind }) => kind);
    expect(kinds()).toEqual([]);
    await clock.advance(PATIENCE_MINUTES * MINUTE - 1);
    expect(kinds()).toEqual([]);
    await clock.advance(1);
    expect(rotator.plan(network).steps).toMatchObject([{ kind: 'order', peerId: 'p1', absent: ['p2'] }]);
    rotator.stop();
  });
});
