import { OverlayRig } from '../../apps/lab/src/overlay/overlay-rig.js';
import { PingProbe } from '../../apps/lab/src/probes/ping.js';
import { until } from '../../apps/lab/src/processes.js';
import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const [ONE, TWO, AWAY] = ['one', 'two', 'away'] as const;
const ALL = [ONE, TWO, AWAY];

interface Rotation {
  readonly state: 'planned' | 'rotated' | 'running';
  readonly public_key: string;
}

describeWithRealParts('a change of a WireGuard key that is disturbed, by real agents', {}, () => {
  let rig: OverlayRig;

  beforeAll(async () => {
    rig = await OverlayRig.create({ root: compiledCopy().root, hosts: ALL });
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
    expect(await rig.answers(TWO, own)).toBe(3);
    await rig.platform.start();
    await rig.lab.host(AWAY).restoreControl();
    await until(
      'the key is changed everywhere',
      () => isDone(ONE, before, [TWO, AWAY]).catch(() => false),
      60_000,
      200,
    );
    told('platform killed', await probe.stop());
    expect(await rig.answers(TWO, own)).toBe(3);
  });
});
