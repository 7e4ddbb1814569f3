import { failpoint, Serial } from '#kernel';
import { agentV1, vipPreparation, vipWord, type VipItem, type VipWord } from '#proto';
import type { KernelLease } from '../lease/kernel-lease.js';
import type { LeaseRunner } from '../lease/lease-runner.js';
import type { HandoverMessage } from '../lease/wire.js';
import type { OverlayNetwork } from '../network/overlay-network.js';
import type { AgentPorts } from '../ports.js';
import { Handover } from './handover.js';
import { Unnamed } from './unnamed.js';
import { VipFence } from './vip-fence.js';
import { VipWords } from './vip-words.js';
import {
  current,
  emptyVipTable,
  offerSection,
  offerWord,
  parseVips,
  same,
  serializeVips,
  withStoreEpoch,
  withoutNetwork,
  type VipTable,
} from './vip-table.js';

const { VipAck_Role: Role } = agentV1;

export interface VipDeps {
  readonly ports: AgentPorts;
  readonly leases: LeaseRunner;
  readonly fence: KernelLease;
  readonly path: string;
  network(id: string): OverlayNetwork | undefined;
  send(message: agentV1.SyncRequest): void;
}

/** Carries out what a VIP item asks of this node, and acknowledges it once it is true and on disk. */
export class VipActor {
  private table: VipTable = emptyVipTable;
  private readonly words: VipWords;
  /** What is still to be carried out, by VIP: the part it had before. Another object each time it is asked for. */
  private readonly open = new Map<string, { readonly before: VipItem | undefined }>();
  private readonly perVip = new Map<string, Serial>();
  private readonly disk = new Serial();
  private readonly fence: VipFence;
  /** How often a lease was lost here, by VIP. */
  private readonly losses = new Map<string, number>();
  private readonly handover: Handover;
  private readonly unnamed: Unnamed;

  constructor(private readonly deps: VipDeps) {
    this.fence = new VipFence(deps.fence, deps.ports.log);
    this.words = new VipWords((message) => deps.send(message), deps.ports.log);
    this.unnamed = new Unnamed(deps.ports.clock, deps.ports.random);
    this.handover = new Handover({
      timers: deps.ports.timers,
      tell: (item, to, message) => {
        const own = deps.network(item.network_id)?.ownAddress;
        if (own !== undefined) deps.leases.tell(own, to, item.vip_id, message);
      },
    });
  }

  close(): void {
    this.handover.close();
  }

  async load(): Promise<void> {
    const bytes = await this.deps.ports.files.read(this.deps.path);
    if (bytes !== undefined) this.table = parseVips(bytes.toString('utf8'));
    // Addresses may still be on from an earlier life, whose leases are over.
    const leased = [...this.table.items.values()].filter((item) => item.lease !== null);
    await this.fence.set(undefined, (fence) => fence.start(leased.map((item) => item.address)));
  }

  /** Whose word counts from now on; said before anything is heard of it, for its first section may be applied much later. */
  heed(storeEpoch: string): void {
    this.table = withStoreEpoch(this.table, storeEpoch);
  }

  ofNetwork(networkId: string): VipItem[] {
    return [...this.table.items.values()].filter((item) => item.network_id === networkId);
  }

  item(vipId: string): VipItem | undefined {
    return this.table.items.get(vipId);
  }

  epochs(): agentV1.VipEpoch[] {
    return [...this.table.items.values()].map((item) => ({ vipId: item.vip_id, epoch: BigInt(item.epoch) }));
  }

  /** A message of the priority lane. */
  message(message: agentV1.Vip): void {
    this.take(vipWord.parse(JSON.parse(message.body.toString('utf8'))));
  }

  /** What will be this node's part once the new holder answers. Acknowledged when the holder's word can be heard. */
  prepare(message: agentV1.VipPrepare): void {
    const preparation = vipPreparation.parse(JSON.parse(message.body.toString('utf8')));
    const { vip_id: vipId, network_id, epoch } = preparation.item;
    const own = this.deps.network(network_id)?.ownAddress;
    if (own === undefined || (current(this.table, vipId)?.epoch ?? 0) > epoch) return;
    this.handover.prepare(preparation);
    this.deps.leases.listenOn(own);
    this.words.say(preparation.item, Role.ROLE_PREPARED);
  }

  /** Over the overlay, which vouches for the sender's address. */
  hearHandover(vipId: string, { kind, epoch }: HandoverMessage, from: string): void {
    if (kind === 'heard') return this.handover.heard(vipId, epoch, from);
    const known = current(this.table, vipId);
    const due = this.handover.due(vipId, epoch, from);
    const behind = known === undefined || known.epoch < epoch;
    if (behind && due === undefined) return;
    if (behind && due !== undefined) this.take(due);
    const own = this.deps.network((due ?? known)!.network_id)?.ownAddress;
    if (own !== undefined) this.deps.leases.tell(own, from, vipId, { kind: 'heard', epoch });
  }

  private take({ read_to: readTo, ...item }: VipWord): void {
    const before = this.table.items.get(item.vip_id);
    const done = this.words.done(item.vip_id);
    const isKnown = done?.epoch === BigInt(item.epoch) && same(current(this.table, item.vip_id), item);
    // The same from the platform and by the new holder's own word: what is done is not done to open connections again.
    if (isKnown && !this.open.has(item.vip_id)) return this.words.ack(done);
    const offer = offerWord(this.table, item, readTo === undefined ? undefined : BigInt(readTo));
    if (offer.kind === 'stale') {
      this.deps.ports.log.info(
        { vip: item.vip_id, epoch: item.epoch, known: offer.known },
        'stale VIP message ignored',
      );
      return;
    }
    this.table = offer.table;
    this.ask(item.vip_id, before);
    this.configure(item);
    void this.carryOut(item.vip_id);
  }

  /** Takes a section's items into the table; answers the items they replace. */
  offerSection(
    networkId: string,
    items: readonly VipItem[],
    { storeEpoch, generation }: { readonly storeEpoch: string; readonly generation: bigint },
  ): Map<string, VipItem | undefined> {
    const before = this.table;
    // Of a store epoch that is over: the section of the new one is on its way, and nothing is to go back to this.
    if (storeEpoch !== before.storeEpoch) return new Map();
    this.table = offerSection(before, networkId, items, generation);
    const changed = new Map<string, VipItem | undefined>();
    for (const item of this.ofNetwork(networkId)) {
      const old = before.items.get(item.vip_id);
      if (!same(old, item) || this.words.done(item.vip_id) === undefined) changed.set(item.vip_id, old);
      this.configure(item);
    }
    for (const old of before.items.values())
      if (old.network_id === networkId && !this.table.items.has(old.vip_id)) this.forget(old);
    return changed;
  }

  /** Carries out the changed VIPs of a network, and those that could not be carried out before. */
  async settle(networkId: string, changed: ReadonlyMap<string, VipItem | undefined>): Promise<void> {
    for (const [id, before] of changed) this.ask(id, before);
    const ids = [...this.open.keys()].filter((id) => this.table.items.get(id)?.network_id === networkId);
    await Promise.all(ids.map((id) => this.carryOut(id)));
  }

  /** Networks of this node whose section should have named a VIP by now, and does not. */
  overdue(): string[] {
    return [...this.unnamed.overdue(this.table)].filter((id) => this.deps.network(id) !== undefined);
  }

  forgetNetwork(networkId: string): void {
    for (const item of this.ofNetwork(networkId)) this.forget(item);
    this.table = withoutNetwork(this.table, networkId);
  }

  repeatAcks(): void {
    this.words.repeat();
  }

  leaseHeld(vipId: string, epoch: number, forMs: number): void {
    const item = this.table.items.get(vipId);
    if (item === undefined || item.epoch !== epoch) return;
    this.deps.ports.log.info({ vip: vipId, epoch }, 'lease held');
    if (item.lease !== null) void this.fence.extend(item, forMs);
    this.ask(vipId);
    void this.carryOut(vipId);
  }

  leaseExtended(vipId: string, forMs: number): void {
    const item = this.table.items.get(vipId);
    if (item === undefined) return;
    void this.fence.extend(item, forMs).then((isAwaited) => (isAwaited ? this.carryOut(vipId) : undefined));
  }

  leaseLost(vipId: string, epoch: number, reason: string): void {
    const item = this.table.items.get(vipId);
    this.deps.ports.log.warn({ vip: vipId, epoch, reason }, 'lease lost, address dropped');
    if (item === undefined) return;
    this.handover.stop(vipId);
    this.losses.set(vipId, (this.losses.get(vipId) ?? 0) + 1);
    void this.fence.set(item, (fence) => fence.deny(item.address));
    void this.dropAddress(item);
  }

  /** Not queued behind anything. Should the VIP have come back meanwhile, it is put on again. */
  private async dropAddress(item: VipItem): Promise<void> {
    try {
      await this.deps.network(item.network_id)?.release(item);
    } catch (error) {
      this.words.failed(item, error);
    }
    const now = this.table.items.get(item.vip_id);
    if (now === undefined || !this.deps.leases.holds(now)) return;
    this.ask(now.vip_id);
    void this.carryOut(now.vip_id);
  }

  private configure(item: VipItem): void {
    const network = this.deps.network(item.network_id);
    if (network !== undefined && network.self !== '') this.deps.leases.configure(item, network.self);
    // Without a lease there is nothing to fence; a single candidate has none.
    void this.fence.set(item, (fence) =>
      item.lease === null ? fence.forget(item.address) : fence.watch(item.address),
    );
  }

  private forget(item: VipItem): void {
    this.words.forget(item.vip_id);
    this.losses.delete(item.vip_id);
    this.open.delete(item.vip_id);
    this.handover.forget(item.vip_id);
    this.deps.leases.remove(item.vip_id);
    this.fence.forget(item);
  }

  private ask(vipId: string, before?: VipItem): void {
    this.open.set(vipId, { before: this.open.get(vipId)?.before ?? before });
  }

  /** One at a time per VIP; always with the newest item. */
  private carryOut(vipId: string): Promise<void> {
    const queue = this.perVip.get(vipId) ?? new Serial();
    this.perVip.set(vipId, queue);
    return queue.run(async () => {
      const item = this.table.items.get(vipId);
      const asked = this.open.get(vipId);
      if (item === undefined || asked === undefined) return;
      try {
        const role = await this.enact(item, asked.before);
        if (role === undefined || this.table.items.get(vipId) !== item) return;
        await failpoint('agent.vip_enacted');
        await this.disk.run(() => this.deps.ports.files.write(this.deps.path, serializeVips(this.table), 0o600));
        await failpoint('agent.vip_saved');
        // What was asked for while this was written is still to be carried out, by the run that waits behind this one.
        if (!same(this.table.items.get(vipId), item)) return;
        if (this.open.get(vipId) === asked) this.open.delete(vipId);
        else this.open.set(vipId, { before: item });
        this.words.ack({ vipId, epoch: BigInt(item.epoch), role, error: '' });
      } catch (error) {
        this.words.failed(item, error);
      }
    });
  }

  /** Undefined while it has to wait for the lease. */
  private async enact(item: VipItem, before: VipItem | undefined): Promise<agentV1.VipAck_Role | undefined> {
    const network = this.deps.network(item.network_id);
    if (network === undefined) throw new Error(`network ${item.network_id} is not known here yet`);
    if (item.role === 'holder') {
      const { leases } = this.deps;
      if (!leases.holds(item)) return undefined;
      const losses = this.losses.get(item.vip_id);
      // The fence stands already and blocks (watch); it opens while the address goes on, and neither waits for the other.
      await Promise.all([
        network.hold(item),
        ...(item.lease === null ? [] : [this.fence.open(item, leases.remainingMs(item))]),
      ]);
      // It took so long that the lease was lost, and the address with it: with the next one this begins anew.
      if (!leases.holds(item) || this.losses.get(item.vip_id) !== losses) return undefined;
      this.handover.announce(item);
      // Devices are told by the platform, and need not wait until this is on disk.
      this.words.say(item, Role.ROLE_ANSWERING);
      await network.route(item);
      return Role.ROLE_HOLDER;
    }
    const held = before?.role === 'holder' || before?.release_after_move === true;
    if (item.release_after_move) {
      // Resets leave while clients still accept them; the address stays until the others have moved on.
      await network.resetConnections('src', item);
      await network.route(item);
      return Role.ROLE_ROUTED;
    }
    await network.route(item);
    if (held) await network.release(item);
    await network.resetConnections('dst', item);
    return held ? Role.ROLE_RELEASED : Role.ROLE_ROUTED;
  }
}
