import { underlayOf } from '../../apps/lab/src/namespace.js';
import { OverlayRig } from '../../apps/lab/src/overlay/overlay-rig.js';
import { PingProbe } from '../../apps/lab/src/probes/ping.js';
import { until } from '../../apps/lab/src/processes.js';
import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const [ONE, TWO, AWAY, OFF] = ['one', 'two', 'away', 'off'] as const;
const ALL = [ONE, TWO, AWAY, OFF];
/** The least that can be set. */
const PATIENCE_S = 6;

interface Rotation {
  readonly state: 'planned' | 'rotated' | 'running';
  readonly public_key: string;
}

describeWithRealParts('keys and addresses of nodes that change under difficulties, by real agents', {}, () => {
  let rig: OverlayRig;

  beforeAll(async () => {
    const env = { DROVER_KEY_ROTATION_WAIT_MINUTES: String(PATIENCE_S / 60) };
    rig = await OverlayRig.create({ root: compiledCopy().root, hosts: ALL, env });
    await rig.operator.call('system_sdwan_create_network', { name: 'net' });
    for (const host of ALL) await rig.attach('net', host);
    await rig.connected('net', ALL.length);
  });
  afterAll(() => rig?.close());

  const keyOf = async (host: string) => (await rig.peer('net', host)).public_key!;
  const rotate = async (host: string, wait_seconds: number) =>
    rig.operator.call<Rotation>('system_sdwan_rotate_peer_key', {
      peer_id: (await rig.peer('net', host)).id,
      wait_seconds,
    });
  const seenBy = async (host: string, key: string) => (await rig.sh(host, 'wg show all peers')).includes(key);
  const isDone = async (host: string, before: string, others: readonly string[]) => {
    const now = await keyOf(host);
    if (now === before) return false;
    for (const other of others) if (!(await seenBy(other, now)) || (await seenBy(other, before))) return false;
    return true;
  };
  /** On a crowded machine one of three pings may be late. */
  const reaches = (from: string, address: string) =>
    until(`${from} reaches ${address}`, async () => (await rig.answers(from, address)) === 3, 60_000, 100);
  const told = (what: string, probe: { longestGapMs: number; lost: number; sent: number }) =>
    process.stderr.write(
      `  ${what}: longest gap ${Math.round(probe.longestGapMs)} ms, ${probe.lost} of ${probe.sent} pings lost\n`,
    );

  it('comes to its end when the platform is killed in the middle of it', async () => {
    const before = await keyOf(ONE);
    const own = (await rig.peer('net', ONE)).host_address;
    const probe = PingProbe.start(rig.lab, TWO, own);
    // One that has to make room for the new key does not hear of it: the change cannot have ended.
    await rig.lab.host(AWAY).cutControl();
    expect((await rotate(ONE, 0)).state).toBe('running');
    await rig.platform.stop('SIGKILL');
    await reaches(TWO, own);
    await rig.platform.start();
    await rig.lab.host(AWAY).restoreControl();
    await until(
      'the key is changed everywhere',
      () => isDone(ONE, before, [TWO, AWAY]).catch(() => false),
      180_000,
      200,
    );
    told('platform killed', await probe.stop());
    await reaches(TWO, own);
  });

  it('does not wait for ever for a dead agent whose tunnel goes on, nor for a machine that is switched off in the middle of it; both reach everybody when they are back', async () => {
    const [before, away, off] = [await keyOf(ONE), await rig.peer('net', AWAY), await rig.peer('net', OFF)];
    const { host_address: own } = await rig.peer('net', ONE);
    await rig.lab.agent(AWAY).kill9();
    await reaches(TWO, away.host_address);
    expect((await rotate(ONE, 0)).state).toBe('running');
    // Off while both keys are in force: it has made room for the new one, and never hears that the old one is over.
    const keysAt = async (host: string) => (await rig.sh(host, 'wg show all peers')).trim().split('\n').length;
    await until('it has both keys', async () => (await keysAt(OFF)) === ALL.length, 60_000, 50);
    await rig.lab.kill9Host(OFF);
    await until(
      'the others have gone on without them',
      () => isDone(ONE, before, [TWO]).catch(() => false),
      240_000,
      200,
    );
    const retired = async () =>
      (
        await rig.operator.call<{ events: { payload: { public_key: string } }[] }>('recent_events', {
          kind_prefix: 'system.sdwan.peer.key_retired',
        })
      ).events.some(({ payload }) => payload.public_key === before);
    await until('it is over', retired, 180_000, 200);
    expect(await rig.answers(TWO, off.host_address)).toBe(0);
    // It has only ever heard of the old one.
    expect(await seenBy(AWAY, before)).toBe(true);
    await reaches(TWO, own);
    const { events } = await rig.operator.call<{ events: { payload: { absent: string[] } }[] }>('recent_events', {
      kind_prefix: 'system.sdwan.peer.key_switch_ordered',
    });
    expect(events.some(({ payload }) => payload.absent.includes(away.id))).toBe(true);
    await rig.lab.agent(AWAY).start();
    const both = async () => (await rig.answers(AWAY, own)) === 3 && (await rig.answers(ONE, away.host_address)) === 3;
    await until('it reaches everybody again, and everybody it', both, 180_000, 100);
    await rig.lab.addHost(OFF);
    const ways = [
      [OFF, own],
      [ONE, off.host_address],
      [TWO, off.host_address],
    ] as const;
    const on = async () => {
      for (const [from, to] of ways) if ((await rig.answers(from, to)) !== 3) return false;
      return true;
    };
    await until('the machine reaches everybody, and everybody it', () => on().catch(() => false), 180_000, 100);
    const nobody = () => isDone(ONE, before, [TWO, AWAY, OFF]).catch(() => false);
    await until('nobody knows the old key', nobody, 180_000, 200);
  });

  it('follows a host name to a new address when the old one is dead and nobody else may speak first', async () => {
    const one = await rig.peer('net', ONE);
    const name = 'gate.example.net';
    const [was, is] = [underlayOf(rig.lab.host(ONE).index).v4, '10.77.0.222'];
    const says = (address: string) => rig.sh(TWO, `printf '127.0.0.1 localhost\\n${address} ${name}\\n' > /etc/hosts`);
    await says(was);
    await rig.operator.call('system_sdwan_update_peer', { peer_id: one.id, endpoint_host: name });
    // As behind a NAT: what it has not asked for does not reach it.
    await rig.sh(
      TWO,
      `nft 'add table inet nat; add chain inet nat in { type filter hook input priority -300; };
            add rule inet nat in iifname eth0 meta l4proto udp ct state new drop'`,
    );
    await reaches(TWO, one.host_address);
    await rig.sh(
      ONE,
      `ip -6 addr flush dev eth0 scope global && ip addr del ${was}/16 dev eth0 && ip addr add ${is}/16 dev eth0`,
    );
    const probe = PingProbe.start(rig.lab, TWO, one.host_address);
    expect(await rig.answers(TWO, one.host_address)).toBe(0);
    await says(is);
    await until('it is found again', async () => (await rig.answers(TWO, one.host_address)) === 3, 120_000, 100);
    told('another address under the same name', await probe.stop());
    expect(await rig.sh(TWO, 'wg show all endpoints')).toContain(`${is}:`);
  });
});
