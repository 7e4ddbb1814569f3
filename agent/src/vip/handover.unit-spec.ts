import { ManualClock } from '#kernel';
import type { VipItem, VipPreparation } from '#proto';
import { Handover } from './handover.js';

const item = (epoch: number, role: VipItem['role'] = 'holder'): VipItem => ({
  vip_id: 'v',
  network_id: 'n',
  address: 'fd00::100',
  epoch,
  holder_peer_id: 'b',
  route_peer_id: role === 'holder' ? null : 'b',
  role,
  release_after_move: false,
  lease: null,
});
const part = (epoch: number, role?: VipItem['role'], tell: string[] = []): VipPreparation => ({
  item: item(epoch, role),
  holder_address: 'fd00::1:2',
  tell,
});

describe('a handover', () => {
  const make = () => {
    const clock = new ManualClock(0);
    const told: string[] = [];
    const tell = (_item: VipItem, to: string, { epoch }: { epoch: number }) => void told.push(`${to}@${epoch}`);
    return { clock, told, handover: new Handover({ timers: clock, tell }) };
  };

  it('is believed from the prepared holder of the prepared epoch, and from nobody else', () => {
    const { handover } = make();
    handover.prepare(part(2, 'member'));
    expect(handover.due('v', 2, 'fd00::1:2')).toMatchObject({ epoch: 2, role: 'member' });
    expect(handover.due('v', 2, 'fd00::1:3')).toBeUndefined();
    expect(handover.due('v', 3, 'fd00::1:2')).toBeUndefined();
    handover.prepare(part(1, 'candidate'));
    expect(handover.due('v', 2, 'fd00::1:2')).toMatchObject({ epoch: 2 });
    handover.forget('v');
    expect(handover.due('v', 2, 'fd00::1:2')).toBeUndefined();
  });

  it('is told to everybody until each has heard, and not for ever', async () => {
    const { clock, told, handover } = make();
    handover.prepare(part(2, 'holder', ['fd00::1:1', 'fd00:0::1:3']));
    handover.announce(item(2));
    expect(told).toEqual(['fd00::1:1@2', 'fd00::1:3@2']);
    handover.heard('v', 2, 'fd00::1:1');
    await clock.advance(50);
    expect(told.slice(2)).toEqual(['fd00::1:3@2']);
    handover.heard('v', 1, 'fd00::1:3');
    await clock.advance(60_000);
    const said = told.length;
    expect(said).toBeLessThan(50);
    await clock.advance(60_000);
    expect(told).toHaveLength(said);
  });

  it('ends when the lease is gone, and is not begun for an epoch that was not prepared', async () => {
    const { clock, told, handover } = make();
    handover.prepare(part(2, 'holder', ['fd00::1:1']));
    handover.announce(item(3));
    expect(told).toEqual([]);
    handover.announce(item(2));
    handover.stop('v');
    await clock.advance(1_000);
    expect(told).toEqual(['fd00::1:1@2']);
  });
});
