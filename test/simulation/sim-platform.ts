import { EventCatalogue, silentLog, type EventDefinition, type Random } from '#kernel';
import { START, type EventStore, type MemoryEventStore, type Position } from '#event-store';
import type { AgentLink } from '#agent-gateway';
import type { CommandDispatcher } from '#processing';
import { Transactor } from '#processing';
import { fleetEvents } from '#fleet';
import type { z } from 'zod';
import { DesiredState } from '../../libs/agent-gateway/src/desired/desired-state.js';
import { Refresher } from '../../libs/agent-gateway/src/desired/refresher.js';
import { SessionHub, type HubDeps } from '../../libs/agent-gateway/src/session/hub.js';
import { SdwanObserver } from '../../libs/sdwan/src/application/agent-observer.js';
import { DeviceFeed } from '../../libs/sdwan/src/application/device-feed.js';
import { FailoverCoordinator } from '../../libs/sdwan/src/application/failover/coordinator.js';
import { SdwanModel } from '../../libs/sdwan/src/application/sdwan-model.js';
import { sdwanEvents } from '../../libs/sdwan/src/domain/events.js';
import { deafToWitnesses, ForgetfulHub, undated, withoutDevices, type Mutant } from './mutants.js';
import type { SimChannel } from './sim-channel.js';
import type { Zone } from './sim-clock.js';

export const LEASE = { beatMs: 200, ttlMs: 600 };
export const ACCOUNT = 'account-00000000-0000-4000-8000-0000000000aa';
const BEATS = { beatMs: 1_000, leaseMs: 3_000, vipBeatMs: LEASE.beatMs, vipLeaseMs: LEASE.ttlMs };
const definitions = [...fleetEvents, ...sdwanEvents] as unknown as EventDefinition<string, z.ZodObject>[];
export const catalogue = new EventCatalogue(definitions);
let serial = 0;

/** One life of the platform: the real hub, model, coordinator and transactor over a log that outlives it. */
export class SimPlatform {
  readonly hub: SessionHub;
  readonly model = new SdwanModel(LEASE);
  readonly coordinator: FailoverCoordinator;
  readonly observer: SdwanObserver;
  readonly feed = new DeviceFeed(this.model);
  readonly channels = new Map<string, SimChannel>();
  ready = false;
  private readonly desired = new DesiredState(silentLog);
  private readonly refresher: Refresher;
  private folded: Position = START;

  constructor(
    readonly zone: Zone,
    private readonly log: MemoryEventStore,
    private readonly random: Random,
    private readonly mutant: Mutant | undefined,
    /** Told of each event at the moment it is in the log. */
    private readonly recorded: (event: { readonly type: string; readonly data: unknown }) => void = () => undefined,
    /** Devices are sent to a holder. */
    private readonly readied: (epoch: number, instanceId: string) => void = () => undefined,
  ) {
    this.desired.addSource(this.model);
    const deps: HubDeps = {
      clock: zone,
      timers: zone,
      log: silentLog,
      storeEpoch: 'e1',
      beats: BEATS,
      authorize: async (peer) => ({ kind: 'ok', agent: this.identity(peer.instanceId) }),
      compile: (id) => {
        const wanted = this.desired.compile(id);
        return wanted && { wanted, generation: this.desired.position };
      },
      onStreamEnded: () => undefined,
      onTunnelFailed: () => undefined,
    };
    this.hub =
      mutant === 'last_update_dropped'
        ? new ForgetfulHub(deps, (id) => (this.channels.get(id)?.bulkInFlight ?? 0) > 0)
        : new SessionHub(deps);
    this.refresher = new Refresher(
      zone,
      zone,
      5,
      (id, since) => this.hub.refresh(id, since),
      () => this.hub.forget(),
    );
    const ids = { uuid: () => `00000000-0000-4000-8000-${(++serial).toString(16).padStart(12, '0')}` };
    this.coordinator = new FailoverCoordinator({
      model: mutant === 'devices_not_waited_for' ? withoutDevices(this.model) : this.model,
      transactor: new Transactor(this.slowStore(), catalogue),
      link: this.link(),
      clock: zone,
      timers: zone,
      ids,
      log: silentLog,
      lease: LEASE,
      holderReady: (vipId, epoch, holder) => {
        this.readied(epoch, holder.instance_id);
        this.feed.holderReady(vipId, epoch, holder);
      },
    });
    const dispatcher: CommandDispatcher = { dispatch: async () => ({ kind: 'done', value: undefined as never }) };
    this.observer = new SdwanObserver({
      model: this.model,
      dispatcher,
      coordinator: this.coordinator,
      clock: zone,
      ids,
      log: silentLog,
    });
    this.hub.observers.push(mutant === 'witnesses_ignored' ? deafToWitnesses(this.observer) : this.observer);
  }

  /** Folds the past before anybody is listened to. */
  async start(expected: readonly string[]): Promise<void> {
    await this.fold();
    this.hub.expect(
      expected.map((id) => this.identity(id)),
      30_000,
    );
    this.hub.start();
    this.coordinator.start();
    this.ready = true;
  }

  kill(): void {
    this.zone.alive = false;
    this.ready = false;
    for (const channel of this.channels.values()) channel.break('the platform died');
  }

  identity(instanceId: string) {
    return { instanceId, accountId: ACCOUNT, certificateSerial: '1' };
  }

  async fold(): Promise<void> {
    const batch = await this.log.readAll(this.folded, { limit: 10_000 });
    if (batch.through <= this.folded) return;
    this.folded = batch.through;
    this.desired.apply(batch, this.refresher.dirty);
    this.refresher.schedule();
  }

  /** The feed is a moment behind the log. */
  appended(): void {
    this.zone.after(this.random.unit() ** 3 * 20, () => void this.fold());
  }

  /** An append may have happened when the process dies before it hears of it. */
  private slowStore(): EventStore {
    const { log, zone, random } = this;
    return {
      capabilities: log.capabilities,
      append: async (request) => {
        await zone.sleep(random.unit() ** 2 * 10);
        const outcome = await log.append(request);
        for (const event of request.events) this.recorded(event);
        this.appended();
        await zone.sleep(random.unit() ** 2 * 10);
        return outcome;
      },
      readStream: (stream, from) => log.readStream(stream, from),
      readAll: (after, options) => log.readAll(after, options),
      subscribe: (after, options) => log.subscribe(after, options),
      head: () => log.head(),
      close: () => log.close(),
    };
  }

  private link(): AgentLink {
    const send: AgentLink['sendPriority'] = (instanceId, message) => {
      const session = this.hub.records.get(instanceId)?.session;
      session?.priority(this.mutant === 'words_undated' ? undated(message) : message);
      return session?.state === 'live';
    };
    return {
      liveness: (id) => this.hub.liveness(id),
      sendPriority: send,
      sendVip: (id, item) => {
        if (item.role === 'holder' && this.mutant === 'devices_told_early') this.readied(item.epoch, id);
        const body = Buffer.from(JSON.stringify(item));
        return send(id, { message: { $case: 'vip', value: { vipId: item.vip_id, epoch: BigInt(item.epoch), body } } });
      },
      setVipCandidate: (id, is) => this.hub.setVipCandidate(id, is),
      openTunnel: () => Promise.reject(new Error('no tunnels here')),
      disconnect: () => undefined,
    };
  }
}
