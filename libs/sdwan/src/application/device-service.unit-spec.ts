import { deterministicUuid, RefusedError, seededRandom, sha256Hex } from '#kernel';
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
    while (result === undefined) await world.clock.advance(2);
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
