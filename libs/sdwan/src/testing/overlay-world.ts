import {
  deterministicUuid,
  ManualClock,
  seededRandom,
  silentLog,
  type Decider,
  type DomainEvent,
  type EventDefinition,
} from '#kernel';
import { START, type Position } from '#event-store';
import type { AgentLink, AgentLiveness } from '#agent-gateway';
import { agentV1, type VipItem } from '#proto';
import { createInMemoryPlatform, type Command, type CommandContext, type CommandResult } from '#processing';
import { accessEvents } from '#access';
import { fleetEvents, InstanceCreated } from '#fleet';
import type { z } from 'zod';
import { sdwanEvents } from '../domain/events.js';
import * as commands from '../application/commands.js';
import { SdwanObserver } from '../application/agent-observer.js';
import { DeviceFeed } from '../application/device-feed.js';
import { FailoverService } from '../application/failover/failover-service.js';
import { peerDeadlines } from '../application/peer-deadlines.js';
import { sdwanManager } from '../application/sdwan-manager.js';
import { SdwanModel } from '../application/sdwan-model.js';
import { sdwanProjections } from '../projections/index.js';
import { handleSdwanCommands } from './handlers.js';
import { ManualLead } from './manual-lead.js';
import { heardMsAgo, roleOf, TestAgent, TestGateway } from './test-agent.js';

const { VipAck_Role: Role } = agentV1;
const LEASE = { beatMs: 200, ttlMs: 600 };
const definitions = [...accessEvents, ...fleetEvents, ...sdwanEvents] as unknown as EventDefinition<
  string,
  z.ZodObject
>[];

/** A platform on a virtual clock with scripted agents: one latency of 1 ms each way. */
export class OverlayWorld {
  readonly clock = new ManualClock();
  readonly agents = new Map<string, TestAgent>();
  readonly platform = createInMemoryPlatform({ definitions, clock: this.clock });
  readonly fastBeats = new Set<string>();
  model!: SdwanModel;
  feed!: DeviceFeed;
  service!: FailoverService;
  observer!: SdwanObserver;
  readonly accountId = 'account-00000000-0000-4000-8000-0000000000aa';
  readonly leadership = new ManualLead();
  private serial = 0;
  private folded: Position = START;
  private readonly gateway = new TestGateway(LEASE);

  constructor() {
    for (const projection of sdwanProjections) projection.register(this.platform.processing);
    this.platform.processing.addProcessManager(sdwanManager);
    this.platform.processing.addProcessManager(peerDeadlines);
    this.platform.processing.addCommand(commands.MoveVirtualIpAway);
    this.platform.processing.addCommand(commands.DetachInstance);
    this.platform.processing.addCommand(commands.RecordPeerOverdue);
    this.boot();
    handleSdwanCommands(this.platform, () => this.service);
    this.clock.every(2, () => void this.pump());
    this.clock.every(50, () => this.judge());
  }

  /** The failover side of a platform process; calling it again is a restart. */
  boot(): void {
    this.service?.onModuleDestroy();
    this.folded = START;
    this.gateway.forget();
    for (const agent of this.agents.values())
      if (agent.alive && agent.linked) agent.lastBeatMs = this.clock.monotonicMs();
    this.model = new SdwanModel(LEASE);
    this.feed = new DeviceFeed(this.model);
    const { transactor, store, ids, dispatcher } = this.platform;
    const config = { DROVER_VIP_BEAT_MS: LEASE.beatMs, DROVER_VIP_LEASE_MS: LEASE.ttlMs };
    this.service = new FailoverService(
      this.model,
      this.feed,
      transactor,
      this.link(),
      store,
      this.clock,
      this.clock,
      ids,
      silentLog,
      config,
      this.leadership,
    );
    this.observer = new SdwanObserver({
      model: this.model,
      dispatcher,
      coordinator: this.service.coordinator,
      clock: this.clock,
      ids,
      log: silentLog,
    });
    this.service.onApplicationBootstrap();
  }

  context(): CommandContext {
    const commandId = deterministicUuid('test', ++this.serial);
    const actor = { kind: 'operator', id: 'test' } as const;
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: this.accountId,
      actor,
      nowMs: this.clock.wallMs(),
    };
  }

  /** Dispatches a command and lets the clock run until it is answered. */
  async run<P extends object, T>(
    type: new (p: P, c: CommandContext) => Command<P, T>,
    payload: P,
    context = this.context(),
  ): Promise<CommandResult<T>> {
    let result: CommandResult<T> | undefined;
    let failed: unknown;
    this.platform.dispatch(new type(payload, context)).then(
      (r) => (result = r),
      (error: unknown) => (failed = error ?? new Error('rejected')),
    );
    for (let n = 0; n < 5_000 && result === undefined && failed === undefined; n++) await this.clock.advance(2);
    if (failed !== undefined) throw failed;
    if (result === undefined) throw new Error('the command was never answered');
    await this.clock.advance(4);
    return result;
  }

  async ok<P extends object, T>(type: new (p: P, c: CommandContext) => Command<P, T>, payload: P): Promise<T> {
    const result = await this.run(type, payload);
    if (result.kind === 'refused') throw new Error(`${result.refusal.code}: ${result.refusal.message}`);
    return result.value;
  }

  async instance(name: string): Promise<string> {
    const id = `instance-${deterministicUuid('instance', name)}`;
    const event = InstanceCreated({
      instance_id: id as `instance-${string}`,
      node_id: `node-${deterministicUuid('node', name)}`,
      name,
      template_id: `template-${deterministicUuid('template')}`,
      driver: 'existing',
      cni_plugin: null,
    });
    await this.append(id, event);
    this.agents.set(id, new TestAgent(id));
    this.agents.get(id)!.lastBeatMs = this.clock.monotonicMs();
    return id;
  }

  async append(stream: string, ...events: DomainEvent[]): Promise<void> {
    const decider: Decider<null, null, DomainEvent> = {
      initial: null,
      evolve: () => null,
      decide: () => ({ kind: 'accept', events }),
    };
    await this.platform.transactor.transact(stream, decider, null, this.context());
    await this.clock.advance(4);
  }

  /** A network with these servers attached, and a virtual IP over them that the first holds. */
  async cluster(...names: string[]) {
    const { network_id } = await this.ok(commands.CreateNetwork, { name: `net-${names[0]}` });
    const members: { instance_id: `instance-${string}`; peer_id: `sdwan_peer-${string}` }[] = [];
    for (const name of names) {
      const instance_id = (await this.instance(name)) as `instance-${string}`;
      const { peer_id } = await this.ok(commands.AttachPeer, { network_id, instance_id });
      const public_key = Buffer.from(seededRandom(this.serial).bytes(32)).toString('base64');
      await this.ok(commands.AnnouncePeerKey, { peer_id, public_key, listen_port: 51_820 });
      members.push({ instance_id, peer_id: peer_id as `sdwan_peer-${string}` });
    }
    return { network_id, members };
  }

  async virtualIp(network_id: string, members: Awaited<ReturnType<OverlayWorld['cluster']>>['members']) {
    const cluster_id = `cluster-${deterministicUuid('cluster', network_id)}`;
    const vip = await this.ok(commands.ReserveVirtualIp, {
      network_id,
      cluster_id,
      name: 'c-api',
      purpose: 'k3s_api_endpoint',
    });
    await this.ok(commands.SetVirtualIpCandidates, { virtual_ip_id: vip.virtual_ip_id, candidates: members });
    await this.ok(commands.AllocateVirtualIp, { virtual_ip_id: vip.virtual_ip_id, holder: members[0]! });
    await this.clock.advance(100);
    return vip;
  }

  async events(stream: string) {
    const result = [];
    for await (const event of this.platform.store.readStream(stream))
      result.push({ type: event.type.split('.').at(-1)!, data: event.data as Record<string, never> });
    return result;
  }

  agent(id: string): TestAgent {
    return this.agents.get(id)!;
  }

  identity(instanceId: string) {
    return { instanceId, accountId: this.accountId, certificateSerial: '1' };
  }

  private async pump(): Promise<void> {
    const { events, through } = await this.platform.store.readAll(this.folded, { limit: 1_000 });
    if (through <= this.folded) return;
    this.folded = through;
    const dirty = new Set<string>();
    for (const event of events) for (const id of this.model.apply(event)) dirty.add(id);
    for (const id of dirty)
      for (const section of this.model.compile(id).values())
        for (const [key, item] of section) if (key.startsWith('vip/')) this.deliver(id, item as VipItem);
  }

  private deliver(id: string, item: VipItem): boolean {
    const agent = this.agents.get(id);
    if (agent === undefined || !agent.alive || !agent.linked) return false;
    this.clock.after(1, () => {
      const known = agent.items.filter((i) => i.vip_id === item.vip_id).at(-1);
      if (!agent.alive || agent.deaf || (known !== undefined && known.epoch > item.epoch)) return;
      agent.items.push(item);
      const role = roleOf(item, known);
      this.clock.after(1, () =>
        this.observer.onVipAck(this.identity(id), { vipId: item.vip_id, epoch: BigInt(item.epoch), role, error: '' }),
      );
    });
    return true;
  }

  private link(): AgentLink {
    return {
      liveness: (id) => this.liveness(id),
      sendVip: (id, item) => this.deliver(id, item),
      sendPriority: (id, message) => this.vote(id, message),
      setVipCandidate: (id, is) => void (is ? this.fastBeats.add(id) : this.fastBeats.delete(id)),
      openTunnel: () => Promise.reject(new Error('no tunnels here')),
      disconnect: () => undefined,
    };
  }

  private vote(id: string, { message }: agentV1.SyncResponse): boolean {
    const agent = this.agents.get(id);
    if (agent === undefined || !agent.alive || !agent.linked) return false;
    if (message?.$case === 'vipPrepare') {
      const ack = { vipId: message.value.vipId, epoch: message.value.epoch, role: Role.ROLE_PREPARED, error: '' };
      this.clock.after(2, () => this.observer.onVipAck(this.identity(id), ack));
    }
    if (message?.$case !== 'voteRequest') return true;
    const { vipId, epoch, question } = message.value;
    this.clock.after(1, () => {
      const granted = Number(epoch) >= agent.promised;
      agent.promised = Math.max(agent.promised, Number(epoch));
      const heard = heardMsAgo(this.agents.values(), vipId, this.clock.monotonicMs(), LEASE.beatMs);
      const value = {
        vipId,
        epoch,
        granted,
        outstandingMs: 0,
        holderHeardMsAgo: BigInt(Math.round(heard)),
        promisedEpoch: BigInt(agent.promised),
        question,
      };
      this.clock.after(1, () => this.observer.onVotePromise(this.identity(id), value));
    });
    return true;
  }

  private liveness(id: string): AgentLiveness {
    return this.gateway.liveness(id, this.agents.get(id), this.clock.monotonicMs());
  }

  /** The gateway's part: beats, leases, and their edges. */
  private judge(): void {
    for (const agent of this.agents.values()) {
      const id = agent.instanceId;
      const edge = this.gateway.judge(agent, this.clock.monotonicMs(), this.fastBeats.has(id));
      if (edge !== undefined) void this.observer[edge](this.identity(id));
    }
  }
}
