import { ManualClock, silentLog } from '#kernel';
import { systemNames } from '../adapters/names.js';
import { EndpointChooser } from './endpoints.js';
import { HostNames } from './host-names.js';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const KEY = 'k';

describe('an endpoint that is a host name', () => {
  const setUp = () => {
    const clock = new ManualClock();
    const answers: Record<string, string[] | Error> = {};
    const asked: string[] = [];
    const lookup = async (host: string) => {
      asked.push(host);
      const answer = answers[host];
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('ENOTFOUND');
      return answer;
    };
    const chooser = new EndpointChooser(new HostNames({ lookup }, clock, silentLog));
    const peer = (lastHandshakeMs: number, endpoint?: string, [rxBytes, txBytes] = [0, 0]) => ({
      publicKey: KEY,
      endpoint,
      allowedIps: [],
      keepalive: 25,
      lastHandshakeMs,
      rxBytes,
      txBytes,
    });
    const choose = async (endpoints: readonly string[], actual = peer(0)) => {
      chooser.choose(KEY, endpoints, actual, clock.monotonicMs(), clock.wallMs());
      await settle();
      return chooser.choose(KEY, endpoints, actual, clock.monotonicMs(), clock.wallMs());
    };
    return { clock, answers, asked, choose, peer };
  };

  it('is resolved here, in both families', async () => {
    const { answers, choose } = setUp();
    answers['gw.example.org'] = ['2001:DB8::1', '192.0.2.7'];
    expect(await choose(['gw.example.org:51820'])).toBe('[2001:db8::1]:51820');
  });

  it('is asked for again when nobody answers there, and only then', async () => {
    const { clock, answers, asked, choose, peer } = setUp();
    answers['gw'] = ['192.0.2.7'];
    expect(await choose(['gw:51820'])).toBe('192.0.2.7:51820');
    answers['gw'] = ['192.0.2.8'];
    await clock.advance(60_000);
    expect(await choose(['gw:51820'], peer(clock.wallMs(), '192.0.2.7:51820'))).toBe('192.0.2.7:51820');
    expect(asked).toHaveLength(1);
    await clock.advance(200_000);
    expect(await choose(['gw:51820'], peer(1, '192.0.2.7:51820'))).toBe('192.0.2.8:51820');
  });

  describe('of a peer with a young session', () => {
    /** Handshake at 0, at the address that the name had; then seconds pass, and so much was sent. */
    const later = async (
      world: ReturnType<typeof setUp>,
      seconds: number,
      counters: [number, number],
      rest = ['gw:1'],
    ) => {
      const { clock, choose, peer } = world;
      await clock.advance(seconds * 1_000);
      return choose(rest, peer(clock.wallMs(), '192.0.2.7:1', counters));
    };
    const start = async () => {
      const world = setUp();
      world.answers['gw'] = ['192.0.2.7'];
      expect(await world.choose(['gw:1'])).toBe('192.0.2.7:1');
      world.answers['gw'] = ['192.0.2.8'];
      await world.clock.advance(20_000);
      await later(world, 0, [500, 500]);
      return world;
    };

    it('is followed to its new address 15 s after something was sent that nobody answers', async () => {
      const world = await start();
      expect(await later(world, 1, [500, 660])).toBe('192.0.2.7:1');
      expect(await later(world, 14, [500, 900])).toBe('192.0.2.7:1');
      expect(world.asked).toHaveLength(1);
      expect(await later(world, 1, [500, 950])).toBe('192.0.2.8:1');
      // WireGuard has not been told yet; it is given time there, and then it is where it is.
      expect(await later(world, 1, [500, 1_000])).toBe('192.0.2.8:1');
      expect(await later(world, 5, [700, 1_100])).toBe('192.0.2.7:1');
    });

    it('is left alone while it answers, and while only keepalives go to it', async () => {
      const world = await start();
      for (let n = 1; n <= 4; n++) expect(await later(world, 14, [500 + n, 500 + 900 * n])).toBe('192.0.2.7:1');
      for (let n = 1; n <= 4; n++) expect(await later(world, 25, [504, 4_100 + 32 * n])).toBe('192.0.2.7:1');
      expect(world.asked).toHaveLength(1);
    });

    it('is left alone where its name still leads there, or nowhere, and when it has no name', async () => {
      for (const answer of [['192.0.2.7'], [], new Error('SERVFAIL')]) {
        const world = await start();
        world.answers['gw'] = answer;
        await later(world, 1, [500, 900]);
        for (let n = 0; n < 4; n++) expect(await later(world, 15, [500, 1_000])).toBe('192.0.2.7:1');
      }
      const world = await start();
      await later(world, 1, [500, 900], ['192.0.2.9:1']);
      expect(await later(world, 30, [500, 999], ['192.0.2.9:1'])).toBe('192.0.2.7:1');
    });

    it('is tried at each address of its name in turn', async () => {
      const world = await start();
      world.answers['gw'] = ['192.0.2.7', '192.0.2.8', '192.0.2.9'];
      await later(world, 1, [500, 900]);
      expect(await later(world, 15, [500, 950])).toBe('192.0.2.8:1');
      const at = (endpoint: string) => world.choose(['gw:1'], world.peer(world.clock.wallMs(), endpoint, [500, 960]));
      await world.clock.advance(9_000);
      expect(await at('192.0.2.8:1')).toBe('192.0.2.8:1');
      await world.clock.advance(1_000);
      expect(await at('192.0.2.8:1')).toBe('192.0.2.9:1');
    });
  });

  it('stays where it was while the name cannot be resolved, and other endpoints are tried', async () => {
    const { clock, answers, choose } = setUp();
    expect(await choose(['gw:51820', '192.0.2.9:51820'])).toBe('192.0.2.9:51820');
    answers['gw'] = ['192.0.2.7'];
    await clock.advance(11_000);
    expect(await choose(['gw:51820'])).toBe('192.0.2.7:51820');
    answers['gw'] = new Error('SERVFAIL');
    await clock.advance(11_000);
    expect(await choose(['gw:51820'])).toBe('192.0.2.7:51820');
  });

  it('is looked up as the system does', async () => {
    expect((await systemNames.lookup('localhost')).every((ip) => ip === '127.0.0.1' || ip === '::1')).toBe(true);
    await expect(systemNames.lookup('no.such.name.invalid')).rejects.toThrow();
  });
});
