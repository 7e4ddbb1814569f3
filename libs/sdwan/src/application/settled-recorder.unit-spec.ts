import { ManualClock, sequentialIds, silentLog } from '#kernel';
import { MemoryEventStore, START, type EventMeta, type RecordedEvent } from '#event-store';
import { NetworkCreated, NetworkGenerationSettled, PeerKeyAnnounced } from '../domain/events.js';
import { SdwanModel } from './sdwan-model.js';
import { SettledRecorder } from './settled-recorder.js';

const NETWORK = 'sdwan_network-00000000-0000-4000-8000-000000000001';

const setUp = async () => {
  const clock = new ManualClock();
  const store = new MemoryEventStore(clock);
  const model = new SdwanModel({ beatMs: 200, ttlMs: 600 });
  const recorder = new SettledRecorder({ model, store, clock, timers: clock, ids: sequentialIds(), log: silentLog });
  const change = (at: number, type: string, correlationId: string, more: object = {}) =>
    model.apply({
      id: `change-${at}`,
      type,
      stream: NETWORK,
      position: BigInt(at),
      data: { network_id: NETWORK, ...more },
      meta: { accountId: 'account-a', correlationId, links: {} } as unknown as EventMeta,
    } as unknown as RecordedEvent);
  change(5, NetworkCreated.type, 'call-1', {
    name: 'n',
    handle: 'aaaaaa',
    cidr_64: 'fd00::/64',
    cidr_v4: '100.64.0.0/20',
  });
  const settled = (generation: number, behind: string[] = [], section = `network/${NETWORK}`) =>
    recorder.onSettled({ section, generation: BigInt(generation), applied: 2, behind, p50Ms: 1, p99Ms: 2 });
  const recorded = async () => {
    await clock.advance(0);
    return (await store.readAll(START, { limit: 100 })).events.map((e) => [
      e.data['generation'],
      e.meta.correlationId,
      e.meta.causationId,
      e.meta.severity,
    ]);
  };
  return { clock, change, settled, recorded };
};

it('records a settled generation under the correlation of the change that it carried', async () => {
  const { change, settled, recorded, clock } = await setUp();
  change(8, PeerKeyAnnounced.type, 'call-2', { peer_id: 'sdwan_peer-x' });
  settled(7);
  await clock.advance(250);
  settled(9);
  // The first and the second change of this network, wherever they stand in a log that other accounts write to as well.
  expect(await recorded()).toEqual([
    ['1', 'call-1', 'change-5', 'info'],
    ['2', 'call-2', 'change-8', 'info'],
  ]);
});

it('records the newest of a burst, and at once what some nodes are behind with', async () => {
  const { change, settled, recorded, clock } = await setUp();
  for (const at of [60, 70, 80, 90, 100, 110])
    change(at, PeerKeyAnnounced.type, `call-${at}`, { peer_id: 'sdwan_peer-x' });
  for (const generation of [59, 60, 70, 80]) settled(generation);
  settled(95, ['instance-slow']);
  expect(await recorded()).toEqual([
    ['1', 'call-1', 'change-5', 'info'],
    ['5', 'call-90', 'change-90', 'warning'],
  ]);
  settled(100);
  settled(111);
  await clock.advance(250);
  expect((await recorded()).map(([generation]) => generation)).toEqual(['1', '5', '7']);
});

it('writes nothing for other sections, unknown networks, and agents that merely connected', async () => {
  const { settled, recorded, change } = await setUp();
  settled(9, [], 'modules');
  settled(9, [], 'network/sdwan_network-00000000-0000-4000-8000-000000000002');
  settled(4);
  expect(await recorded()).toEqual([]);
  // Its own record is no change that could settle.
  change(20, NetworkGenerationSettled.type, 'call-1');
});
