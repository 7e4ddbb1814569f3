import type { Random } from '#kernel';
import type { Datagrams } from '../../agent/src/ports.js';
import { decodeLease } from '../../agent/src/lease/wire.js';
import type { SimClock, Zone } from './sim-clock.js';

export interface Weather {
  readonly loss: number;
  readonly maxDelayMs: number;
}

export type Sniffed = NonNullable<ReturnType<typeof decodeLease>>;

/** The overlay between the machines: datagrams are lost, doubled, late and out of order, and links are cut. */
export class SimNetwork {
  private readonly bound = new Map<
    string,
    { zone: Zone; onMessage: (bytes: Uint8Array, from: string, fromPort: number) => void; port: number }
  >();
  private readonly cuts = new Map<string, number>();
  healed = false;

  constructor(
    private readonly clock: SimClock,
    private readonly random: Random,
    private readonly weather: Weather,
    private readonly sniff: (from: string, to: string, message: Sniffed) => void,
  ) {}

  /** Nothing goes through between two addresses; `*` stands for everybody. */
  cut(a: string, b: string, untilMs: number): void {
    for (const key of [`${a}>${b}`, `${b}>${a}`]) this.cuts.set(key, Math.max(untilMs, this.cuts.get(key) ?? 0));
  }

  portFor(zone: Zone): Datagrams {
    return {
      // Only asked about VIPs with one candidate, which have no lease and are not simulated.
      reaches: async () => false,
      bind: async (address, port, onMessage) => {
        this.bound.set(address, { zone, onMessage, port });
        return {
          send: (to, _toPort, bytes) => zone.alive && this.send(address, port, to, bytes),
          close: () => void (this.bound.get(address)?.zone === zone && this.bound.delete(address)),
        };
      },
    };
  }

  private send(from: string, fromPort: number, to: string, bytes: Uint8Array): void {
    const decoded = decodeLease(bytes);
    if (decoded !== undefined) this.sniff(from, to, decoded);
    if (this.isCut(from, to) || (!this.healed && this.random.unit() < this.weather.loss)) return;
    const copies = this.random.unit() < 0.05 ? 2 : 1;
    for (let n = 0; n < copies; n++) {
      const delay = 0.2 + this.random.unit() ** 3 * (this.healed ? 3 : this.weather.maxDelayMs);
      this.clock.schedule(this.clock.now + delay, () => {
        const target = this.bound.get(to);
        target?.zone.after(0, () => target.onMessage(bytes, from, fromPort));
      });
    }
  }

  private isCut(from: string, to: string): boolean {
    return [`${from}>${to}`, `${from}>*`, `*>${to}`].some((key) => (this.cuts.get(key) ?? 0) > this.clock.now);
  }
}
