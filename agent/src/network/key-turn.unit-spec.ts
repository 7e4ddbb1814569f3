import fc from 'fast-check';
import type { PeerItem } from '#proto';
import { MemoryWireGuardDriver } from '../wireguard/memory-driver.js';
import { composeInterface, parseNetworkSection } from './compose.js';
import { KeyTurns, turnOf, type Turn } from './key-turn.js';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const peer = (more: Partial<PeerItem> = {}): PeerItem => ({
  peer_id: 'p',
  instance_id: 'i',
  public_key: key(1),
  next_public_key: key(2),
  endpoints: ['192.0.2.1:51820'],
  allowed_ips: ['fd00::1:1/128'],
  persistent_keepalive: 25,
  ...more,
});
const state = (present: number, next: number) => ({
  publicKey: '',
  listenPort: 0,
  peers: [
    [key(1), present],
    [key(2), next],
  ].map(([publicKey, lastHandshakeMs]) => ({
    publicKey: String(publicKey),
    endpoint: undefined,
    allowedIps: [],
    keepalive: 0,
    lastHandshakeMs: Number(lastHandshakeMs),
  })),
});
const section = (items: readonly PeerItem[]) =>
  parseNetworkSection(
    'network/n',
    new Map<string, Uint8Array>([
      [
        'interface',
        Buffer.from(
          JSON.stringify({
            network_id: 'n',
            peer_id: 'me',
            name: 'wg-sdwan-abcdef',
            addresses: ['fd00::1:0/128'],
            listen_port: 51820,
            mtu: 1420,
            forwarding: false,
          }),
        ),
      ],
      ...items.map((item): [string, Uint8Array] => [`peer/${item.peer_id}`, Buffer.from(JSON.stringify(item))]),
    ]),
  );
const none = () => false;

describe('the key of a peer that carries its prefixes', () => {
  it('is the present one until the next has shaken hands, and that one from then on', () => {
    const turns = new KeyTurns();
    expect(turns.look([peer()], state(1_000, 0))).toBe(false);
    expect(turns.of(peer())).toBe('present');
    expect(turns.look([peer()], state(1_000, 1_000))).toBe(true);
    expect(turns.of(peer())).toBe('next');
    expect(turns.look([peer()], state(1_000, 2_000))).toBe(false);
  });

  it('is not forgotten by a WireGuard that was started anew, and goes back with a node that does', () => {
    const turns = new KeyTurns();
    turns.look([peer()], state(1_000, 2_000));
    turns.look([peer()], state(0, 0));
    expect(turns.of(peer())).toBe('next');
    turns.look([peer()], state(3_000, 0));
    expect(turns.of(peer())).toBe('present');
  });

  it('starts with the present one for every further change', () => {
    const turns = new KeyTurns();
    turns.look([peer()], state(1_000, 2_000));
    expect(turns.of(peer({ public_key: key(2), next_public_key: key(3) }))).toBe('present');
    turns.look([peer({ public_key: key(2), next_public_key: undefined })], state(0, 0));
    expect(turns.of(peer())).toBe('present');
  });

  it('has every prefix at every moment, and the other key has none', () => {
    fc.assert(
      fc.property(fc.constantFrom<Turn>('present', 'next'), fc.boolean(), (turn, changing) => {
        const item = changing ? peer() : peer({ next_public_key: undefined });
        const { peers } = composeInterface(section([item]), [], none, none, () => turn)!;
        expect(peers.flatMap((one) => one.allowedIps)).toEqual(['fd00::1:1/128']);
        expect(peers.map((one) => one.publicKey).sort()).toEqual(changing ? [key(1), key(2)] : [key(1)]);
        const idle = peers.filter((one) => one.allowedIps.length === 0);
        expect(idle.every((one) => one.keepalive === 0 && one.endpoints.length === 0)).toBe(true);
        if (changing) expect(peers[0]!.publicKey).toBe(turn === 'next' ? key(2) : key(1));
      }),
    );
  });

  it('follows whoever really has the private key, whatever is seen in between', () => {
    // What a node does: it shakes hands with the key that it has; WireGuard may be started anew at any time.
    const step = fc.constantFrom('handshake' as const, 'switch' as const, 'restored' as const, 'restart' as const);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let [has, now, present, next]: [Turn, number, number, number] = ['present', 1, 0, 0];
        let turn: Turn = 'present';
        for (const what of steps) {
          now++;
          if (what === 'switch') has = 'next';
          if (what === 'restored') has = 'present';
          if (what === 'restart') [present, next] = [0, 0];
          if (what === 'handshake' && has === 'present') present = now;
          if (what === 'handshake' && has === 'next') next = now;
          turn = turnOf(present, next, turn);
          if (what === 'handshake') expect(turn).toBe(has);
        }
      }),
    );
  });

  it('moves its prefixes in one write that begins with the gain', async () => {
    const driver = new MemoryWireGuardDriver();
    await driver.ensure('wg0');
    await driver.write('wg0', { peers: [{ publicKey: key(1), add: ['fd00::1:1/128'] }, { publicKey: key(2) }] });
    await driver.write('wg0', { peers: [{ publicKey: key(2), add: ['fd00::1:1/128'] }] });
    const after = (await driver.read('wg0'))!;
    expect(after.peers.map((one) => one.allowedIps)).toEqual([[], ['fd00::1:1/128']]);
  });
});
