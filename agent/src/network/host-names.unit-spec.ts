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
    const peer = (lastHandshakeMs: number, endpoint?: string) => ({
      publicKey: KEY,
      endpoint,
      allowedIps: [],
      keepalive: 25,
      lastHandshakeMs,
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
