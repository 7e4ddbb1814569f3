import { deterministicUuid, isoTime } from '#kernel';
import { InstanceDrainRequested } from '#fleet';
import { agentV1 } from '#proto';
import { PeerPodCidrAssigned } from '../../libs/sdwan/src/domain/events.js';
import { canonicalPrefix } from '../../agent/src/network/cidr.js';
import type { Mutant } from './mutants.js';
import { ACCOUNT } from './sim-platform.js';
import { FAULTS_MS, type Schedule, type SimEvent } from './schedules.js';
import type { Template } from './template.js';
import { SimWorld } from './world.js';

const WARM_UP_MS = 1_500;
/** Where the VIP is to come while nodes are still at their first sections. */
const SHORT_WARM_UP_MS = 200;
const SETTLE_MS = 25_000;
/** Where the way to the platform stays as bad as 1.2 s each way (the longest that was seen is 6 s). */
const SETTLE_SLOWLY_MS = 12_000;
const LOOK_MS = 250;

/** What did not hold under one schedule; empty when everything did. */
export const runSchedule = async (schedule: Schedule, template: Template, mutant?: Mutant): Promise<string[]> =>
  (await play(schedule, template, mutant)).violations;

export interface Played {
  readonly violations: string[];
  /** How many epochs the VIP saw: a simulation in which nothing moves would prove nothing. */
  readonly epochs: number;
  readonly virtualMs: number;
}

export const play = async (schedule: Schedule, template: Template, mutant?: Mutant): Promise<Played> => {
  const world = new SimWorld(schedule, template, mutant);
  const drive = new Driver(world);
  await world.start();
  const warmUpMs = schedule.unallocated === true ? SHORT_WARM_UP_MS : WARM_UP_MS;
  await world.run(warmUpMs);
  for (const event of schedule.events) world.clock.schedule(warmUpMs + event.at, () => drive.happen(event));
  await world.run(warmUpMs + FAULTS_MS);
  await drive.heal();
  const bound = schedule.lasting === true ? SETTLE_SLOWLY_MS : SETTLE_MS;
  const end = world.clock.now + bound;
  for (let calm = 0; calm < 2;) {
    if (world.violations.length > 0) break;
    if (world.clock.now >= end) {
      world.violation(`not settled ${bound} ms after all was whole again: ${drive.unsettled()}`);
      break;
    }
    await world.run(world.clock.now + LOOK_MS);
    calm = drive.unsettled() === '' ? calm + 1 : 0;
  }
  const epochs = world.platform?.model.virtualIp(template.vipId)?.vip.epoch ?? 0;
  return { violations: world.violations, epochs, virtualMs: world.clock.now };
};

class Driver {
  private serial = 0;

  constructor(private readonly world: SimWorld) {}

  happen(event: SimEvent): void {
    const { world } = this;
    const { machines, clock } = world;
    if (world.healed) return;
    const machine = machines[event.node % machines.length]!;
    switch (event.kind) {
      case 'pause':
        return machine.pause(event.forMs);
      case 'restart':
        machine.kill();
        return void clock.schedule(clock.now + event.forMs, () => machine.start());
      case 'cut_overlay':
        return world.network.cut(machine.address, '*', clock.now + event.forMs);
      case 'cut_pair':
        return world.network.cut(
          machine.address,
          machines[event.other % machines.length]!.address,
          clock.now + event.forMs,
        );
      case 'cut_control':
        return world.cutControl(machine.instanceId, clock.now + event.forMs);
      case 'clock_step':
        machine.wall.offset += event.byMs;
        return;
      case 'platform_pause':
        if (world.platform !== undefined) world.platform.zone.pausedUntil = clock.now + event.forMs;
        return;
      case 'platform_kill':
        world.killPlatform();
        return void clock.schedule(clock.now + event.forMs, () => void world.startPlatform());
      case 'refuse':
        return world.refuse(machine.instanceId, event.times);
      case 'hang_nft':
        return machine.nft.hang(event.skip, event.forMs);
      case 'allocate':
        return void world.allocate();
      default:
        this.order(event, machine.instanceId);
    }
  }

  /** Everything that was broken is whole again, and something changes for everybody. */
  async heal(): Promise<void> {
    const { world } = this;
    world.healed = true;
    world.network.healed = true;
    await world.startPlatform();
    await world.allocate();
    for (const machine of world.machines) machine.start();
    // Of two peers, so that it concerns everybody, and always the same: what was lost of the others before must still show.
    for (let n = 0; n < 4; n++) {
      this.change(world.machines.at(n % 2 === 0 ? -1 : 0)!.peerId);
      await world.run(world.clock.now + 15);
    }
  }

  /** What is not as it must be in the end; empty when all is. */
  unsettled(): string {
    const { platform, template, machines } = this.world;
    const known = platform?.model.virtualIp(template.vipId);
    if (known === undefined || platform?.ready !== true) return 'the platform is not up';
    const { vip, network } = known;
    if (vip.status !== 'active' || vip.holder === null) return `the VIP is ${vip.status} at epoch ${vip.epoch}`;
    const answering = machines.filter((machine) => machine.answers(vip.address)).map((m) => m.instanceId);
    if (answering.join() !== vip.holder.instance_id)
      return `held by ${this.world.nick(vip.holder.instance_id)} in the log, answered by ${answering.map((id) => this.world.nick(id)).join()}`;
    for (const machine of machines) {
      const wanted = platform.model.compile(machine.instanceId).get(`network/${network.networkId}`)!;
      for (const [key, value] of wanted) {
        if (!key.startsWith('peer/')) continue;
        const peer = value as { public_key: string; allowed_ips: readonly string[]; peer_id: string };
        const isRoute = vip.holder.peer_id === peer.peer_id && vip.holder.instance_id !== machine.instanceId;
        const ips = [...peer.allowed_ips.map(canonicalPrefix), ...(isRoute ? [`${vip.address}/128`] : [])].sort();
        const actual = machine.wg?.peers.find((p) => p.publicKey === peer.public_key)?.allowedIps ?? [];
        if (ips.join() !== [...actual].sort().join())
          return `${this.world.nick(machine.instanceId)} routes ${[...actual].join()} to ${key}, not ${ips.join()}`;
      }
    }
    return '';
  }

  private order(event: SimEvent, instanceId: string): void {
    const { platform, template } = this.world;
    if (event.kind === 'change')
      return this.change(this.world.machines[event.node % this.world.machines.length]!.peerId);
    if (platform?.ready !== true) return;
    const vip = platform.model.virtualIp(template.vipId)?.vip;
    if (vip === undefined) return;
    if (event.kind === 'drain')
      return this.append(instanceId, InstanceDrainRequested({ instance_id: instanceId as never, timeout_seconds: 60 }));
    if (event.kind === 'health') {
      const value = agentV1.RuntimeHealth.fromPartial({ runtime: agentV1.Runtime.RUNTIME_K3S_SERVER });
      const identity = platform.identity(vip.holder?.instance_id ?? instanceId);
      for (const other of vip.candidates)
        platform.observer.onRuntimeHealth(platform.identity(other.instance_id), { ...value, ready: true });
      for (let n = 0; n < 3; n++) platform.observer.onRuntimeHealth(identity, value);
      return;
    }
    const target = vip.candidates[event.node % vip.candidates.length]!;
    const fit = platform.coordinator.choice(vip, 'operator').order.some((m) => m.instance_id === target.instance_id);
    const willing = vip.holder !== null && platform.coordinator.facts.of(vip.holder).live;
    if (fit) void platform.coordinator.move(vip, 'operator', willing, target);
  }

  private change(peerId: string): void {
    const n = ++this.serial;
    const pod_cidr = `10.${40 + (n >> 8)}.${n & 255}.0/24`;
    this.append(
      peerId,
      PeerPodCidrAssigned({ peer_id: peerId as never, network_id: this.world.template.networkId as never, pod_cidr }),
    );
  }

  private append(stream: string, event: { type: string; schemaVersion?: number; data: object }): void {
    const { world } = this;
    const id = deterministicUuid('change', ++this.serial);
    const meta = {
      accountId: ACCOUNT,
      actor: { kind: 'operator' as const, id: 'sim' },
      commandId: id,
      correlationId: id,
      causationId: id,
      occurredAt: isoTime(Date.UTC(2026, 0, 1) + world.clock.now),
      severity: 'info' as const,
      links: {},
      topics: [],
    };
    const made = {
      id,
      type: event.type,
      schemaVersion: event.schemaVersion ?? 1,
      data: event.data as Record<string, unknown>,
      meta,
    };
    void world.log.append({ stream, expected: 'any', events: [made] }).then(() => world.platform?.appended());
  }
}
