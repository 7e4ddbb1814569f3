import { signal, sleep } from '../../../apps/lab/src/processes.js';
import { WORKER } from '../../../apps/lab/src/demo/story.js';
import type { Result } from '../../bench.js';
import type { FailoverRig } from './failover-rig.js';
import { Keepalived, ROUTERS } from './keepalived.js';
import { Load, loadAverage } from './load.js';
import { MachineLog } from './machine-log.js';
import { distribution } from './numbers.js';
import { PingLog, type Silence } from './ping-log.js';
import { WatchLog } from './watch-log.js';

type Say = (text: string) => void;
const WORKSTATION = 'workstation';
const BEFORE_MS = 300;
const PAUSE_MS = 2_000;

/** All that is done to one lab, and what was seen meanwhile. Windows are by the wall clock, which all machines share. */
export class Campaign {
  private readonly seen = {
    drain: [] as number[],
    drainNode: [] as number[],
    crash: [] as number[],
    crashNode: [] as number[],
    watch: [] as number[],
    watchCrash: [] as number[],
    idle: [] as number[],
    peer: ROUTERS.map(() => [] as number[]),
  };
  private readonly healthy = { outageMs: 0, lost: 0, lapses: 0, stopLost: 0, loadDuring: 0 };
  private readonly machine: MachineLog;
  private crashesDone = 0;
  private movesBefore = 0;

  private constructor(
    private readonly rig: FailoverRig,
    private readonly say: Say,
    private readonly ping: PingLog,
    private readonly pingNode: PingLog,
    private readonly watch: WatchLog,
    private readonly keepalived: Keepalived | undefined,
    private readonly peerPings: readonly PingLog[],
  ) {
    this.machine = new MachineLog(say);
  }

  static async begin(rig: FailoverRig, peer: boolean, say: Say): Promise<Campaign> {
    const keepalived = peer ? new Keepalived(rig.lab) : undefined;
    await keepalived?.start();
    const campaign = new Campaign(
      rig,
      say,
      PingLog.start(rig.lab, WORKSTATION, rig.vip),
      PingLog.start(rig.lab, WORKER, rig.vip),
      WatchLog.start(rig.lab, WORKSTATION),
      keepalived,
      peer ? ROUTERS.map(({ address }) => PingLog.start(rig.lab, WORKSTATION, address)) : [],
    );
    await sleep(3_000);
    campaign.movesBefore = (await rig.moves()).length;
    return campaign;
  }

  drains(count: number): Promise<void> {
    return this.machine.phase('drains', () => this.allDrains(count));
  }

  crashes(count: number): Promise<void> {
    return this.machine.phase('crashes', () => this.allCrashes(count));
  }

  private async allDrains(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const before = await this.rig.standing();
      this.quiet();
      const from = Date.now() - BEFORE_MS;
      await this.rig.drain(before.instance!);
      await this.rig.moved(before);
      await sleep(600);
      const to = Date.now();
      const [device, node] = [this.ping.silence(from, to), this.pingNode.silence(from, to)];
      const broke = this.watch.brokeAtMs(from, to);
      const watchMs = this.watch.recoveryMs(broke ?? from, from, to);
      this.seen.drain.push(device.gapMs);
      this.seen.drainNode.push(node.gapMs);
      this.seen.watch.push(watchMs);
      this.say(`  drain ${n + 1}/${count}: ${shown(device)} (worker ${shown(node)}), watch ${watchMs.toFixed(0)} ms`);
      await this.rig.uncordon(before.instance!);
    }
  }

  private async allCrashes(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const before = await this.rig.standing();
      this.quiet();
      const from = Date.now() - BEFORE_MS;
      await this.rig.crash(before.holder!);
      this.crashesDone++;
      await this.rig.moved(before);
      await sleep(1_000);
      const to = Date.now();
      const [device, node] = [this.ping.silence(from, to), this.pingNode.silence(from, to)];
      const watchMs = this.watch.recoveryMs(device.toMs, from, to);
      this.seen.crash.push(device.gapMs);
      this.seen.crashNode.push(node.gapMs);
      this.seen.watchCrash.push(watchMs);
      this.say(`  crash ${n + 1}/${count}: ${shown(device)} (worker ${shown(node)}), watch ${watchMs.toFixed(0)} ms`);
      await this.peerCrash(n, count);
      await this.rig.restore(before.holder!);
    }
  }

  /** The other product's turn, while ours recovers. */
  private async peerCrash(n: number, count: number): Promise<void> {
    if (this.keepalived === undefined) return;
    const from = Date.now() - BEFORE_MS;
    const host = await this.keepalived.crash();
    await sleep(6_000);
    const gaps = this.peerPings.map((ping) => ping.silence(from, Date.now()).gapMs);
    gaps.forEach((gap, i) => this.seen.peer[i]!.push(gap));
    const words = ROUTERS.map(({ advertS }, i) => `${gaps[i]!.toFixed(0)} ms at ${advertS} s`);
    this.say(`  keepalived ${n + 1}/${count}: ${words.join(', ')}`);
    await this.keepalived.restore(host);
  }

  /** Nothing fails here: load, a pause of the platform, and then no platform at all. */
  async calm(seconds: number): Promise<void> {
    const { platform } = this.rig;
    await this.undisturbed('load', `${seconds} s at twice the processors' load`, async () => {
      const load = new Load();
      await sleep(seconds * 1_000);
      this.healthy.loadDuring = loadAverage();
      load.end();
    });
    await this.undisturbed('pause', `the platform pauses for ${PAUSE_MS / 1_000} s`, async () => {
      signal(platform.pid, 'SIGSTOP');
      await sleep(PAUSE_MS);
      signal(platform.pid, 'SIGCONT');
      await sleep(4_000);
    });
    const { lost } = await this.undisturbed('away', `the platform is away for ${seconds} s`, async () => {
      await platform.stop('SIGKILL');
      await sleep(seconds * 1_000);
      await platform.start();
      await sleep(4_000);
    });
    this.healthy.stopLost = lost;
  }

  async end(): Promise<Result> {
    const moves = (await this.rig.moves()).slice(this.movesBefore);
    const unasked = moves.filter(({ reason }) => reason === 'lease_lost' || reason === 'health').length;
    this.machine.end();
    for (const log of [this.ping, this.pingNode, this.watch, ...this.peerPings]) log.stop();
    const { seen, healthy } = this;
    const peers = Object.fromEntries(
      ROUTERS.map(({ advertS }, i) => [`peer_crash_outage_ms_advert_${advertS}s`, distribution(seen.peer[i]!)]),
    );
    this.rig.keep('watch.log', this.watch.lines);
    await this.rig.close();
    return {
      drain_gap_ms: distribution(seen.drain),
      crash_outage_ms: distribution(seen.crash),
      watch_recovery_ms: distribution([...seen.watch, ...seen.watchCrash]),
      false_failovers: unasked - this.crashesDone,
      lease_lapses: healthy.lapses,
      healthy_holder_outage_ms: Math.round(healthy.outageMs),
      healthy_holder_lost_packets: healthy.lost,
      platform_stopped_lost_packets: healthy.stopLost,
      runs: seen.drain.length + seen.crash.length,
      // keepalived at our own beat: 0.2 s advertisements, three missed, hardly any skew.
      peer_crash_outage_ms: distribution(seen.peer[1]!),
      ...peers,
      drain_gap_worker_ms: distribution(seen.drainNode),
      crash_outage_worker_ms: distribution(seen.crashNode),
      watch_recovery_drain_ms: distribution(seen.watch),
      watch_recovery_crash_ms: distribution(seen.watchCrash),
      idle_gap_ms: distribution(seen.idle),
      load_during_load: healthy.loadDuring,
      ...this.machine.phases,
    };
  }

  private async undisturbed(phase: string, what: string, run: () => Promise<void>): Promise<Silence> {
    this.say(`  ${what}`);
    const [from, lapses] = [Date.now(), this.rig.lapses()];
    await this.machine.phase(phase, run);
    await sleep(500);
    const [device, node] = [this.ping, this.pingNode].map((log) => log.silence(from, Date.now())) as [Silence, Silence];
    const worst = { ...(device.gapMs < node.gapMs ? node : device), lost: device.lost + node.lost };
    this.healthy.outageMs = Math.max(this.healthy.outageMs, worst.gapMs);
    this.healthy.lost += worst.lost;
    this.healthy.lapses += this.rig.lapses() - lapses;
    this.say(
      `    ${shown(worst)} from ${new Date(worst.fromMs).toISOString()}, ${worst.lost} of ${device.answered + node.answered + worst.lost} packets lost`,
    );
    return worst;
  }

  /** The last two seconds, in which nothing was done: what the machine itself makes of a gap. */
  private quiet(): void {
    this.seen.idle.push(this.ping.silence(Date.now() - 2_000, Date.now()).gapMs);
  }
}

const shown = ({ gapMs }: Silence): string => `${gapMs.toFixed(0)} ms`;
