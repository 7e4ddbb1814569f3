import { decodeGet } from './uapi-codec.js';
import { DriftLook } from './drift-look.js';
import { PeerBlocks } from './peer-blocks.js';

const key = (n: number) => n.toString(16).padStart(2, '0').repeat(32);
const block = (n: number, ips: readonly string[], handshake = 0) =>
  [
    `public_key=${key(n)}`,
    `preshared_key=${'0'.repeat(64)}`,
    'protocol_version=1',
    `endpoint=192.0.2.${n}:51820`,
    `last_handshake_time_sec=${handshake}`,
    'last_handshake_time_nsec=0',
    'tx_bytes=0',
    'rx_bytes=0',
    'persistent_keepalive_interval=25',
    ...ips.map((ip) => `allowed_ip=${ip}`),
  ].join('\n');
const answer = (...blocks: readonly string[]) =>
  `private_key=${'a8'.repeat(32)}\nlisten_port=51820\n${blocks.map((b) => `${b}\n`).join('')}errno=0\n\n`;

describe('answers about many peers', () => {
  it.each([
    ['none', answer()],
    ['one', answer(block(1, ['fd00::1/128']))],
    [
      'several, one without prefixes',
      answer(block(1, ['fd00::1/128', '10.0.0.1/32']), block(2, []), block(3, ['fd00::3/128'])),
    ],
    ['no key yet', 'errno=0\n\n'],
  ])('are parsed as by the codec: %s', (_, text) => {
    const blocks = new PeerBlocks();
    expect(blocks.decode(text)).toEqual(decodeGet(text));
    expect(blocks.decode(text)).toEqual(decodeGet(text));
  });

  it('give the same object for a peer that did not change, and another one for one that did', () => {
    const blocks = new PeerBlocks();
    const before = blocks.decode(answer(block(1, ['fd00::1/128']), block(2, ['fd00::2/128'])));
    const after = blocks.decode(answer(block(2, ['fd00::2/128'], 7), block(1, ['fd00::1/128'])));
    expect(after.peers[1]).toBe(before.peers[0]);
    expect(after.peers[0]).not.toBe(before.peers[1]);
    expect(after.peers[0]).toMatchObject({ lastHandshakeMs: 7_000 });
    expect(() => blocks.decode('errno=-2\n\n')).toThrow('errno -2');
  });
});

describe('a look for drift', () => {
  const wanted = (n: number, ips: readonly string[]) => {
    const { publicKey } = decodeGet(answer(block(n, []))).peers[0]!;
    return { publicKey, allowedIps: ips, keepalive: 25 };
  };
  const own = { publicKey: decodeGet(answer()).publicKey, listenPort: 51_820 };
  const look = (peers: readonly ReturnType<typeof wanted>[], text: string, endpoint?: string, port = own.listenPort) =>
    new DriftLook<ReturnType<typeof wanted>>(async () => undefined).agrees(
      peers,
      { ...own, listenPort: port },
      new PeerBlocks().decode(text),
      () => endpoint,
    );
  const peers = [wanted(1, ['fd00::1/128']), wanted(2, ['fd00::2/128', '10.2.0.0/24'])];
  const there = [block(1, ['fd00::1/128']), block(2, ['10.2.0.0/24', 'fd00::2/128'])];

  it('agrees with what is as it should be, whatever the order', async () => {
    expect(await look(peers, answer(...there))).toBe(true);
  });

  it.each([
    ['a prefix more', answer(there[0]!, block(2, ['10.2.0.0/24', 'fd00::2/128', 'fd00::9/128']))],
    ['a prefix less', answer(there[0]!, block(2, ['10.2.0.0/24']))],
    ['another prefix', answer(there[0]!, block(2, ['10.3.0.0/24', 'fd00::2/128']))],
    ['a peer more', answer(...there, block(3, []))],
    ['a peer less', answer(there[0]!)],
    ['another peer', answer(there[0]!, block(3, ['10.2.0.0/24', 'fd00::2/128']))],
    ['another keepalive', answer(there[0]!, there[1]!.replace('interval=25', 'interval=0'))],
    ['another key', answer(...there).replace('a8'.repeat(32), 'b8'.repeat(32))],
  ])('sees %s', async (_, text) => {
    expect(await look(peers, text)).toBe(false);
  });

  it('sees another port, and a peer that is to be looked for elsewhere', async () => {
    expect(await look(peers, answer(...there), undefined, 1)).toBe(false);
    expect(await look(peers, answer(...there), '192.0.2.77:1')).toBe(false);
  });

  it('sees a change of a peer that it has agreed with before', async () => {
    const [blocks, one] = [new PeerBlocks(), new DriftLook<ReturnType<typeof wanted>>(async () => undefined)];
    const agrees = (text: string) => one.agrees(peers, own, blocks.decode(text), () => undefined);
    expect(await agrees(answer(...there))).toBe(true);
    expect(await agrees(answer(...there))).toBe(true);
    expect(await agrees(answer(there[0]!, block(2, ['10.2.0.0/24'])))).toBe(false);
    expect(await agrees(answer(...there))).toBe(true);
  });
});
