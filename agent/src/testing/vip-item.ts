import type { VipItem } from '#proto';

/** A VIP of network n that peer a holds. */
export const vipItem = (epoch: number, more: Partial<VipItem> = {}): VipItem => ({
  vip_id: 'v',
  network_id: 'n',
  address: 'fd00::100',
  epoch,
  holder_peer_id: 'a',
  route_peer_id: 'a',
  role: 'member',
  release_after_move: false,
  lease: null,
  ...more,
});
