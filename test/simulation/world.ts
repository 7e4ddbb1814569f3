import { seededRandom, type Random } from '#kernel';
import { MemoryEventStore } from '#event-store';
import type { agentV1 } from '#proto';
import type { SyncHandlers, SyncStream } from '../../agent/src/ports.js';
import { Credulous, type Mutant } from './mutants.js';
import { LeaseOracle } from './oracle.js';
import { SimChannel } from './sim-channel.js';
import { settle, SimClock, Zone } from './sim-clock.js';
import { SimDevice } from './sim-device.js';
import { SimMachine } from './sim-machine.js';
import { SimNetwork } from './sim-network.js';
import { LEASE, SimPlatform } from './sim-platform.js';
import type { Schedule } from './schedules.js';
import type { Template } from './template.js';

/** Scheduling between the oracle's view of a beat and the lease's. */
const TOLERANCE_MS = 1;
/** Longer than a lease and all that is asked before a move. */
const STEADY_MS = 2_000;
/** The first holder has the VIP. */
const CALM_AFTER_MS = 1_500;

const isAllocation = ({ type }: { readonly type: string }): boolean => type === 'system.sdwan.virtual_ip.allocated';

/** One schedule's world: machines with real agents, a platform with the real failover, and what must always hold. */
export class SimWorld {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly machines: SimMachine[];
  readonly violations: string[] = [];
  readonly log: MemoryEventStore;
  platform: SimPlatform | undefined;
  private readonly device: SimDevice;
  private isAllocated = false;
  healed = false;
  private votedEpoch = 0;
  private readonly oracle: LeaseOracle;
  private readonly controlCuts = new Map<string, number>();
  private readonly refusing = new Map<string, number>();
  private readonly credulous = new Map<string, Credulous>();

  constructor(
    readonly schedule: Schedule,
    readonly template: Template,
    private readonly mutant: Mutant | undefined,
  ) {
    const { clock } = this;
    this.random = seededRandom(schedule.seed);
    this.log = new MemoryEventStore({ wallMs: () => Date.UTC(2026, 0, 1) + clock.now });
    const voters = schedule.candidates + (schedule.candidates % 2 === 0 ? 1 : 0);
    const names = new Map(template.nodes.map((node) => [node.address, node.instanceId]));
    this.oracle = new LeaseOracle(Math.floor(voters / 2) + 1, LEASE.ttlMs, (address) => names.get(address));
    this.network = new SimNetwork(clock, this.random, schedule, (from, to, message) =>
      this.oracle.overlay(clock.now, from, to, message),
    );
    this.device = new SimDevice(template.devicePeerId, template.vipId, () => this.random.unit());
    this.machines = template.nodes.map((node, i) => this.machine(node, i));
  }

  async start(): Promise<void> {
    for (const event of this.template.events) if (!isAllocation(event)) await this.append(event);
    if (this.schedule.unallocated !== true) await this.allocate();
    await this.startPlatform();
    for (const machine of this.machines) machine.start();
  }

  /** The VIP gets its first holder: once. */
  async allocate(): Promise<void> {
    if (this.isAllocated) return;
    this.isAllocated = true;
    await this.append(this.template.events.find(isAllocation)!);
    this.platform?.appended();
  }

  private async append({ stream, version, ...event }: Template['events'][number]): Promise<void> {
    await this.log.append({ stream, expected: version === 1 ? 'no_stream' : version - 1, events: [event] });
  }

  /** Virtual time goes on; after each thing that happens, what must always hold is looked at. */
  async run(untilMs: number): Promise<void> {
    while (this.violations.length === 0 && this.clock.step(untilMs)) {
      await settle();
      this.check();
    }
    this.clock.now = Math.max(this.clock.now, untilMs);
  }

  async startPlatform(): Promise<void> {
    if (this.platform !== undefined) return;
    const zone = new Zone(this.clock, Math.floor(this.random.unit() * 1e6));
    const platform = new SimPlatform(
      zone,
      this.log,
      this.random,
      this.mutant,
      (event) => this.checkNeed(event),
      (epoch, instanceId) => this.checkReady(epoch, instanceId),
    );
    this.platform = platform;
    await platform.start(this.machines.map((machine) => machine.instanceId));
    this.device.follow(platform.feed, zone);
  }

  killPlatform(): void {
    this.platform?.kill();
    this.platform = undefined;
  }

  cutControl(instanceId: string, untilMs: number): void {
    this.controlCuts.set(instanceId, Math.max(untilMs, this.controlCuts.get(instanceId) ?? 0));
  }

  refuse(instanceId: string, times: number): void {
    this.refusing.set(instanceId, times);
  }

  violation(text: string): void {
    if (this.violations.length < 5) this.violations.push(`at ${this.clock.now.toFixed(1)}: ${text}`);
  }

  private machine(node: Template['nodes'][number], index: number): SimMachine {
    const { clock, network, random, mutant, template } = this;
    const machine = new SimMachine(node.instanceId, node.peerId, node.address, index, {
      clock,
      network,
      random,
      mutant,
      identity: template.identity,
      diskMs: () => (this.healed ? undefined : this.schedule.diskMs) ?? 15,
      nftMs: () => (this.healed ? undefined : this.schedule.nftMs) ?? 1,
      nftDeaths: () => (this.healed ? undefined : this.schedule.nftDeaths) ?? 0,
      connect: (m, zone, handlers) => this.connect(m, zone, handlers),
      wrote: (m) => this.checkRoutes(m),
    });
    machine.networkId = template.networkId;
    return machine;
  }

  private connect(machine: SimMachine, zone: Zone, handlers: SyncHandlers): SyncStream {
    const { platform } = this;
    const id = machine.instanceId;
    const cutUntil = () => this.controlCuts.get(id) ?? 0;
    if (platform === undefined || !platform.ready || cutUntil() > this.clock.now) {
      zone.after(5, () => handlers.onEnd('unreachable'));
      return { send: () => undefined, close: () => undefined };
    }
    const channel = new SimChannel({
      clock: this.clock,
      random: this.random,
      agent: zone,
      platform: platform.zone,
      delayMs: () => (this.healed && this.schedule.lasting !== true ? undefined : this.schedule.controlMs) ?? 30,
      cutUntil,
      refuses: (message) => this.refuses(id, message),
      handlers: this.mutant === 'delta_without_base' ? this.credulously(id, handlers) : handlers,
      sniffUp: (message) => this.sniffUp(machine, message),
      sniffDown: (message) => this.sniffDown(id, message),
    });
    platform.channels.get(id)?.break('another stream');
    platform.channels.set(id, channel);
    zone.after(0, () =>
      channel.accept((stream) => platform.hub.accept({ instanceId: id, certificateSerial: '1' }, stream)),
    );
    return channel.agentEnd();
  }

  private credulously(id: string, handlers: SyncHandlers): SyncHandlers {
    const credulous = this.credulous.get(id) ?? new Credulous();
    this.credulous.set(id, credulous);
    return { ...handlers, onMessage: (message) => handlers.onMessage(credulous.twist(message)) };
  }

  /** An agent that cannot understand one delta goes on without it. */
  private refuses(id: string, { message }: agentV1.SyncResponse): boolean {
    const left = this.refusing.get(id) ?? 0;
    if (left === 0 || message?.$case !== 'delta' || this.healed) return false;
    this.refusing.set(id, left - 1);
    return true;
  }

  private sniffUp(machine: SimMachine, message: agentV1.SyncRequest): void {
    machine.heard(message);
    if (message.message?.$case === 'votePromise' && message.message.value.question === undefined)
      this.violation(`${this.nick(machine.instanceId)} does not say what it answers`);
    if (message.message?.$case !== 'leaseBeat') return;
    const { epoch, seq } = message.message.value;
    this.oracle.beat(this.clock.now, machine.instanceId, Number(epoch), Number(seq));
  }

  private sniffDown(id: string, message: agentV1.SyncResponse): void {
    if (message.message?.$case !== 'leaseConfirm') return;
    const { epoch, seq } = message.message.value;
    this.oracle.confirm(id, 'platform', Number(epoch), Number(seq));
  }

  private check(): void {
    const { now } = this.clock;
    for (const machine of this.machines)
      if (!machine.answers(this.template.vipAddress)) machine.answersSince = Infinity;
      else if (machine.answersSince === Infinity) machine.answersSince = now;
    const holders = this.machines.filter((machine) => machine.answersSince < Infinity);
    for (const holder of holders) holder.answeredEpoch = Math.max(holder.answeredEpoch, holder.heldEpoch);
    this.checkDevice();
    for (const { instanceId, heldEpoch } of holders)
      if (now > this.oracle.untilOf(instanceId) + TOLERANCE_MS)
        this.violation(`${this.nick(instanceId)} answers at epoch ${heldEpoch} outside its lease`);
    const epochs = holders.map((machine) => machine.heldEpoch);
    if (new Set(epochs).size < epochs.length) this.violation(`two holders in epoch ${epochs.join(' and ')}`);
    const unyielded = holders.filter((m) => !this.oracle.hasYielded(m.instanceId, m.heldEpoch));
    if (unyielded.length > 1)
      this.violation(`${unyielded.map((m) => `${this.nick(m.instanceId)}@${m.heldEpoch}`).join(' and ')} both hold`);
    for (const holder of holders) this.checkVotes(holder);
    for (const machine of this.machines) {
      machine.observe();
      const epoch = machine.vips()[0]?.epoch;
      if (epoch !== undefined) machine.hasKnown = true;
      else if (machine.hasKnown && machine.up) this.violation(`${this.nick(machine.instanceId)} forgot the VIP`);
      if (epoch !== undefined && epoch < machine.ackedEpoch)
        this.violation(
          `${this.nick(machine.instanceId)} went back to epoch ${epoch} after it had acknowledged ${machine.ackedEpoch}`,
        );
    }
  }

  /** Devices are sent to nobody who has not answered yet. */
  private checkReady(epoch: number, instanceId: string): void {
    const holder = this.machines.find((machine) => machine.instanceId === instanceId);
    if (holder === undefined || holder.answeredEpoch < epoch)
      this.violation(`devices were sent to ${this.nick(instanceId)} before it answered at epoch ${epoch}`);
  }

  /** Where all is well a device is answered at every moment: it is told of the new holder while the old one still answers. */
  private checkDevice(): void {
    const { route } = this.device;
    if (this.schedule.calm !== true || this.healed || route === null || this.clock.now < CALM_AFTER_MS) return;
    const holder = this.machines.find((machine) => machine.peerId === route);
    if (holder === undefined || holder.answersSince === Infinity)
      this.violation(`a device gets no answer from ${this.nick(holder?.instanceId ?? '')}`);
  }

  /** A holder that has answered all the time, by a beat of just now, is not given up, unless somebody wants it gone: its voters know better. */
  private checkNeed({ type, data }: { readonly type: string; readonly data: unknown }): void {
    if (type !== 'system.sdwan.virtual_ip.move_started') return;
    const { from, reason } = data as { from: { instance_id: string } | null; reason: string };
    const holder = this.machines.find((machine) => machine.instanceId === from?.instance_id);
    const decidedAt = this.clock.now - STEADY_MS;
    // The kernel answers for a dead or paused agent until its lease is over; and between what it was told and what it writes the
    // platform may have slept.
    const slept = Math.max(this.platform?.zone.pausedUntil ?? 0, holder?.pausedUntil ?? 0) > decidedAt;
    const confirmed = this.oracle.untilOf(holder?.instanceId ?? '') > this.clock.now + LEASE.ttlMs / 2;
    if (reason === 'lease_lost' && holder?.up === true && !slept && confirmed && holder.answersSince < decidedAt)
      this.violation(
        `${this.nick(holder.instanceId)} was given up though it had answered since ${holder.answersSince}`,
      );
  }

  /** Whoever begins to hold does so by votes that the voters, itself included, would still know of after a restart. */
  private checkVotes({ instanceId, heldEpoch }: SimMachine): void {
    // Of that fault it is to be found what it leads to.
    if (heldEpoch <= this.votedEpoch || this.mutant === 'promise_not_persisted') return;
    this.votedEpoch = heldEpoch;
    const voters = this.machines.slice(0, this.schedule.candidates);
    const onDisk = voters.filter((voter) => voter.promisedOnDisk(this.template.vipId) >= heldEpoch).length;
    const platform = voters.length % 2 === 0 ? 1 : 0;
    if ((onDisk + platform) * 2 <= voters.length + platform)
      this.violation(`${this.nick(instanceId)} holds epoch ${heldEpoch} by ${onDisk} votes that are on disk`);
  }

  /** After each write to an interface: who is told of a holder has exactly one way to it, at every moment. */
  private checkRoutes(machine: SimMachine): void {
    const vip = machine.vips()[0];
    machine.observe();
    if (machine.ackedEpoch === 0 || vip === undefined || vip.role === 'holder' || vip.holder_peer_id === null) return;
    const owners = machine.wg!.peers.filter((peer) => peer.allowedIps.includes(`${vip.address}/128`));
    if (owners.length === 1) machine.hadNone = false;
    // Who was the holder until now had no way to it, nor had anybody while there was none, and a write that was under way
    // then brings none. The next one does, before the new part is acknowledged, whatever number of epochs went by unwritten.
    else if (owners.length > 1 || !machine.hadNone || machine.ackedEpoch >= vip.epoch)
      this.violation(`${this.nick(machine.instanceId)} has ${owners.length} ways to the VIP`);
  }

  nick(instanceId: string): string {
    return `n${this.machines.findIndex((machine) => machine.instanceId === instanceId)}`;
  }
}
