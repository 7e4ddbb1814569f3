import { peerDecider } from './decide.js';
import { isPublicKey } from './public-key.js';
import { drive, code, uuid, net } from '../testing/drive.js';

describe('a peer', () => {
  const data = {
    peer_id: `sdwan_peer-${uuid(1)}` as const,
    network_id: net(1) as `sdwan_network-${string}`,
    kind: 'node' as const,
    instance_id: `instance-${uuid(1)}` as const,
    grant_id: null,
    name: 'a',
    address_v6: 'fd00::1:0',
    address_v4: '100.64.0.16',
    publicly_reachable: false,
    endpoint_host: null,
    endpoint_port: null,
    listen_port: 51820,
    tags: [],
    public_key: null,
  };
  const key = Buffer.alloc(32, 7).toString('base64');

  it('writes edges only', () => {
    const announce = { kind: 'announce_key', publicKey: key, listenPort: 51820 } as const;
    const { answers } = drive(peerDecider, [
      { kind: 'attach', data },
      { kind: 'attach', data },
      announce,
      announce,
      { kind: 'connected' },
      { kind: 'connected' },
      { kind: 'silent' },
      { kind: 'silent' },
      { kind: 'detach', reason: 'x' },
      { kind: 'detach', reason: 'x' },
    ]);
    expect(answers.map(code)).toEqual([
      'accept',
      'already_attached',
      'accept',
      'unchanged',
      'accept',
      'unchanged',
      'accept',
      'unchanged',
      'accept',
      'not_attached',
    ]);
  });

  it('takes public keys of 32 bytes only', () => {
    expect(isPublicKey(key)).toBe(true);
    for (const bad of [
      '',
      'x',
      key.slice(1),
      `${key}=`,
      Buffer.alloc(32).toString('base64'),
      Buffer.alloc(31, 1).toString('base64'),
    ])
      expect(isPublicKey(bad)).toBe(false);
  });
});
