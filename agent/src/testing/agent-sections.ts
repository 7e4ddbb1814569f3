import type { agentV1, VipItem } from '#proto';
import { section } from './fake-platform.js';
import { vipItem } from './vip-item.js';

export const PEER_A = Buffer.alloc(32, 1).toString('base64');
export const PEER_B = Buffer.alloc(32, 2).toString('base64');
export const NET = 'sdwan_network-1';

export const network = (generation: number, vips: VipItem[] = []) =>
  section(`network/${NET}`, generation, {
    interface: {
      network_id: NET,
      peer_id: 'me',
      name: 'wg-sdwan-abc123',
      addresses: ['fd00:abcd:1::1:1/128', '100.64.0.1/32'],
      listen_port: 51820,
      mtu: 1420,
      forwarding: true,
    },
    'peer/a': peer('a', PEER_A, 'fd00:abcd:1::1:2/128'),
    'peer/b': peer('b', PEER_B, 'fd00:abcd:1::1:3/128'),
    'route/fd00:abcd:1::/64': { prefix: 'fd00:abcd:1::/64', kind: 'device' },
    ...Object.fromEntries(vips.map((v) => [`vip/${v.vip_id}`, v])),
  });
export const peer = (id: string, key: string, ip: string) => ({
  peer_id: id,
  instance_id: null,
  public_key: key,
  endpoints: ['[fd99::2]:51820'],
  allowed_ips: [ip],
  persistent_keepalive: 25,
});
export const vip = (epoch: number, more: Partial<VipItem>): VipItem =>
  vipItem(epoch, { vip_id: 'virtual_ip-1', network_id: NET, address: 'fd00:abcd:1::100', ...more });
export const snapshot = (sections: agentV1.Section[], storeEpoch = 'e1'): agentV1.SyncResponse['message'] & object => ({
  $case: 'snapshot',
  value: { storeEpoch, sections, unchanged: [], complete: true },
});
