import type { Cancel, Timers } from '#kernel';
import type { VipItem, VipPreparation, VipWord } from '#proto';
import { canonicalAddress } from '../network/cidr.js';
import type { HandoverMessage } from '../lease/wire.js';

export interface HandoverDeps {
  readonly timers: Timers;
  /** To an overlay address, from this node's own one in the VIP's network. */
  tell(item: VipItem, to: string, message: HandoverMessage): void;
}

const REPEAT_MS = 50;
/** After this many words without an answer the platform's own delivery has to reach them. */
const WORDS = 40;

/**
 * Parts in moves that are known but not due yet, and the new holder's word that they are. So a move that has begun goes on
 * when the platform is gone: who holds says so to everybody, and everybody knows already what that means for them.
 */
export class Handover {
  private readonly prepared = new Map<string, VipPreparation>();
  private readonly telling = new Map<string, { readonly epoch: number; readonly left: Set<string>; cancel: Cancel }>();

  constructor(private readonly deps: HandoverDeps) {}

  prepare(preparation: VipPreparation): void {
    const { vip_id, epoch } = preparation.item;
    const known = this.prepared.get(vip_id);
    if (known === undefined || known.item.epoch <= epoch) this.prepared.set(vip_id, preparation);
  }

  /** The new holder's word: what is to be done now, if this node was prepared for this very holder. */
  due(vipId: string, epoch: number, from: string): VipWord | undefined {
    const known = this.prepared.get(vipId);
    return known?.item.epoch === epoch && canonicalAddress(known.holder_address) === from
      ? { ...known.item, read_to: known.read_to }
      : undefined;
  }

  /** This node answers for the VIP now. */
  announce(item: VipItem): void {
    const known = this.prepared.get(item.vip_id);
    this.stop(item.vip_id);
    if (known?.item.epoch !== item.epoch || item.role !== 'holder' || known.tell.length === 0) return;
    const telling = {
      epoch: item.epoch,
      left: new Set(known.tell.map(canonicalAddress)),
      cancel: () => undefined as void,
    };
    this.telling.set(item.vip_id, telling);
    let words = 0;
    const say = (): void => {
      for (const to of telling.left) this.deps.tell(item, to, { kind: 'held', epoch: item.epoch });
      if (++words >= WORDS) this.stop(item.vip_id);
    };
    telling.cancel = this.deps.timers.every(REPEAT_MS, say);
    say();
  }

  heard(vipId: string, epoch: number, from: string): void {
    const telling = this.telling.get(vipId);
    if (telling?.epoch === epoch && telling.left.delete(from) && telling.left.size === 0) this.stop(vipId);
  }

  /** The lease is gone, the VIP is, or another epoch has begun: nothing is said any more. */
  stop(vipId: string): void {
    this.telling.get(vipId)?.cancel();
    this.telling.delete(vipId);
  }

  forget(vipId: string): void {
    this.stop(vipId);
    this.prepared.delete(vipId);
  }

  close(): void {
    for (const vipId of [...this.telling.keys()]) this.stop(vipId);
  }
}
