import { OverlayWorld } from '../testing/overlay-world.js';
import { AnnouncePeerKey } from './commands.js';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const kinds = async (world: OverlayWorld, peerId: string) => (await world.events(peerId)).map((e) => e.type);

const setUp = async () => {
  const world = new OverlayWorld();
  const { network_id, members } = await world.cluster('a', 'b');
  const [a, b] = [members[0]!, members[1]!];
  /** What `a` sees of `b`: a handshake at this time. */
  const sees = async (atMs: number) => {
    const publicKey = world.model.peer(b.peer_id)!.publicKey!;
    const peers = [{ publicKey, endpoint: '', lastHandshakeMs: BigInt(atMs) }];
    await world.observer.onObserved(world.identity(a.instance_id), {
      networkId: network_id,
      peers,
      routing: undefined,
    });
    await world.clock.advance(4);
  };
  return { world, b, sees };
};

describe('what agents report of their peers', () => {
  it('connects a peer again that announced another key', async () => {
    const { world, b, sees } = await setUp();
    await sees(world.clock.wallMs());
    await world.ok(AnnouncePeerKey, { peer_id: b.peer_id, public_key: key(7), listen_port: 51_820 });
    await sees(world.clock.wallMs());
    expect((await kinds(world, b.peer_id)).slice(-3)).toEqual(['connected', 'key_announced', 'connected']);
  });

  it('does not bring a lost node back by the handshakes that others remember', async () => {
    const { world, b, sees } = await setUp();
    await sees(world.clock.wallMs());
    await world.observer.onLost(world.identity(b.instance_id));
    await sees(world.clock.wallMs());
    expect((await kinds(world, b.peer_id)).slice(-2)).toEqual(['connected', 'silent']);
    world.observer.onReturned(world.identity(b.instance_id));
    await sees(world.clock.wallMs());
    expect((await kinds(world, b.peer_id)).slice(-2)).toEqual(['silent', 'connected']);
  });

  it('does not keep a peer connected by a handshake that has not been yet', async () => {
    const { world, b, sees } = await setUp();
    await sees(world.clock.wallMs() + 365 * 86_400_000);
    await world.clock.advance(181_000);
    await sees(1);
    expect((await kinds(world, b.peer_id)).slice(-2)).toEqual(['connected', 'silent']);
  });
});
