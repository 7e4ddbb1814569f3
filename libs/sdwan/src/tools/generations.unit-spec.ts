import { NetworkGenerations } from '../application/network-generations.js';
import type { SdwanModel } from '../application/sdwan-model.js';
import { networkGenerations, peerGenerations } from './generations.js';

const NET = 'sdwan_network-1';
/** Five changes of the network, at positions that other accounts have pushed apart. */
const setUp = (instances: readonly string[] = []) => {
  const generations = new NetworkGenerations();
  for (const at of [10n, 20n, 300n, 4_000n, 50_000n]) generations.changed(NET, at);
  const peers = new Map(instances.map((instanceId) => [instanceId, { instanceId }]));
  const networks = new Map([[NET, { peers }]]);
  return { generations, networks, position: 60_000n } as unknown as SdwanModel;
};
const heard = (applied: bigint, sent: bigint | undefined, changing = false) => ({
  applied: new Map([[`network/${NET}`, applied]]),
  sent: sent === undefined ? undefined : new Map([[`network/${NET}`, sent]]),
  changing,
});
const seen = (...of: Parameters<typeof heard>) => {
  const { generation, observedGeneration } = peerGenerations(setUp(), NET, heard(...of));
  return [generation, observedGeneration];
};

describe('the generation of a peer', () => {
  it('counts the network’s own changes, and is observed when the node has all that it was sent', () => {
    expect(seen(50_001n, 50_001n)).toEqual([5, 5]);
    // The last two changes altered nothing of what this node is told.
    expect(seen(301n, 301n)).toEqual([5, 5]);
  });

  it('is behind while the node is, and while a change is about to be sent', () => {
    expect(seen(300n, 4_000n)).toEqual([5, 3]);
    expect(seen(301n, 301n, true)).toEqual([5, 3]);
    // It has what was the newest, and something else of it is on its way.
    expect(seen(50_000n, 50_000n, true)).toEqual([5, 4]);
  });

  it('is not observed of a node without a stream here, and not counted of a device or in a network that is gone', () => {
    expect(seen(300n, undefined)).toEqual([5, null]);
    expect(seen(0n, 20n)).toEqual([5, null]);
    expect(peerGenerations(setUp(), NET, undefined)).toEqual({ generation: null, observedGeneration: null });
    expect(peerGenerations(setUp(), 'sdwan_network-2', heard(1n, 1n)).generation).toBeNull();
  });
});

it('a network’s generation is observed as far as the slowest node that can be asked', () => {
  const of = (nodes: Readonly<Record<string, ReturnType<typeof heard>>>) =>
    networkGenerations(setUp(Object.keys(nodes)), NET, (id) => nodes[id]!).observedGeneration;
  expect(of({ fast: heard(50_001n, 50_001n), slow: heard(20n, 50_001n) })).toBe(2);
  expect(of({ fast: heard(50_001n, 50_001n), off: heard(20n, undefined) })).toBe(5);
  expect(of({ off: heard(20n, undefined) })).toBeNull();
  expect(of({})).toBeNull();
});
