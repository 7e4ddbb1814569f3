import { deterministicUuid, RefusedError, seededRandom, sha256Hex } from '#kernel';
import { accessGrantDecider } from '../domain/access-grant/decide.js';
import { OverlayWorld } from '../testing/overlay-world.js';
import { CreateAccessGrant, RevokeAccessGrant } from './commands.js';
import { DeviceService } from './device-service.js';
import { grantToken } from './grant-token.js';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');

const setUp = async () => {
  const world = new OverlayWorld();
  const { network_id } = await world.cluster('a');
  const grant_id = `access_grant-${deterministicUuid('g')}`;
  const token = grantToken(grant_id, seededRandom(7));
  const expires_at_ms = world.clock.wallMs() + 60_000;
  await world.ok(CreateAccessGrant, {
    network_id,
    grant_id,
    name: 'ws',
    tags: [],
    token_digest: sha256Hex(token),
    expires_at_ms,
  });
  const { store, transactor, dispatcher, ids } = world.platform;
  const devices = new DeviceService(store, transactor, dispatcher, world.service, world.feed, world.clock, ids);
  /** Lets the clock run until the work is done; answers the refusal's code where it is refused. */
  const run = async <T>(work: Promise<T>): Promise<T | string> => {
    let result: { value: T | string } | undefined;
    work.then(
      (value) => (result = { value }),
      (error: unknown) => (result = { value: error instanceof RefusedError ? error.refusal.code : String(error) }),
    );
    for (let n = 0; n < 2_000 && result === undefined; n++) await world.clock.advance(2);
    if (result === undefined) throw new Error('never answered');
    return result.value;
  };
  return { world, devices, token, grant_id, run };
};

describe('a device', () => {
  it('redeems its token once and follows its configuration with the token it got', async () => {
    const { world, devices, token, grant_id, run } = await setUp();
    const device = await run(devices.redeem(token, key(9), 'ws'));
    if (typeof device === 'string') throw new Error(device);
    expect(device.config.peers).toHaveLength(1);
    expect(device.wireguard).toContain('PrivateKey = <fill in');
    expect(await run(devices.authenticate(device.peer_id, device.device_token))).toBeUndefined();
    expect(await run(devices.redeem(token, key(9), 'ws'))).toBe('bootstrap_token_gone');
    await world.ok(RevokeAccessGrant, { grant_id, reason: 'lost' });
    expect(await run(devices.authenticate(device.peer_id, device.device_token))).toBe('device_revoked');
    expect(() => devices.configOf(device.peer_id)).toThrow('no longer a peer');
  });

  it('gets nowhere with a foreign, malformed or expired token, nor with a bad key', async () => {
    const { world, devices, token, run } = await setUp();
    expect(await run(devices.redeem('nonsense', key(9), 'ws'))).toBe('bootstrap_token_gone');
    expect(
      await run(
        devices.redeem(
          token.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')),
          key(9),
          'ws',
        ),
      ),
    ).toBe('bootstrap_token_gone');
    expect(await run(devices.redeem(token, 'short', 'ws'))).toBe('public_key_invalid');
    const peer = [...world.model.networks.values()][0]!.peers.keys().next().value!;
    expect(await run(devices.authenticate(peer, 'dd_x'))).toBe('invalid_device_token');
    await world.clock.advance(61_000);
    expect(await run(devices.redeem(token, key(9), 'ws'))).toBe('bootstrap_token_gone');
  });

  it('gets its peer from a second try when the platform was killed between the token and the peer', async () => {
    const { world, devices, token, run } = await setUp();
    const { store } = world.platform;
    const append = store.append.bind(store);
    let left = 1;
    store.append = (request) => (left-- > 0 ? append(request) : Promise.reject(new Error('killed')));
    expect(await run(devices.redeem(token, key(9), 'ws'))).toContain('killed');
    store.append = append;
    expect(await run(devices.redeem(token, key(8), 'ws'))).toBe('bootstrap_token_gone');
    expect(await run(devices.redeem(token, key(9), 'ws'))).toMatchObject({ config: { peers: [{}] } });
    expect(await run(devices.redeem(token, key(9), 'ws'))).toBe('bootstrap_token_gone');
  });

  it('is no peer when its grant is revoked while it redeems', async () => {
    const { world, devices, token, grant_id, run } = await setUp();
    const { store } = world.platform;
    const append = store.append.bind(store);
    store.append = async (request) => {
      if (request.events.some((e) => e.type === 'system.sdwan.peer.attached')) {
        store.append = append;
        const revoke = { kind: 'revoke', reason: 'lost' } as const;
        await world.platform.transactor.transact(grant_id, accessGrantDecider, revoke, world.context());
      }
      return append(request);
    };
    expect(await run(devices.redeem(token, key(9), 'ws'))).toBe('bootstrap_token_gone');
    await world.clock.advance(10);
    const network = [...world.model.networks.values()][0]!;
    expect([...network.peers.values()].filter((peer) => peer.kind === 'device')).toEqual([]);
  });

  it('leaves no token in the log, only digests', async () => {
    const { world, devices, token, run } = await setUp();
    const device = await run(devices.redeem(token, key(9), 'ws'));
    if (typeof device === 'string') throw new Error(device);
    const { events } = await world.platform.store.readAll(0n as never, { limit: 1_000 });
    const text = JSON.stringify(events, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v));
    expect(text).not.toContain(token);
    expect(text).not.toContain(device.device_token);
    expect(text).toContain(sha256Hex(token));
  });
});
