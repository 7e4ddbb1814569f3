import { refusal, RefusedError } from '#kernel';
import { placeOf } from './login-limits.js';

/** Who wants a turn: an address may stand for many (a NAT), a connection is one of them. */
export interface Sender {
  readonly address: string;
  readonly connection: string;
}

interface Waiting {
  readonly begin: () => void;
  readonly drop: (error: RefusedError) => void;
}

/**
 * Work that costs something and that anybody can ask for: a bounded number at a time, addresses in turn, and within an address its
 * connections in turn. Who asks for much waits behind themselves. When too many wait, the newest of the connection that has most
 * waiting, at the address that has most, is sent away, to come again.
 */
export class FairTurns {
  private running = 0;
  private waiting = 0;
  /** By address, by connection; the order of the maps is whose turn it is. */
  private readonly places = new Map<string, Map<string, Waiting[]>>();

  constructor(
    private readonly atOnce: number,
    private readonly maxWaiting: number,
  ) {}

  async run<T>(sender: Sender, work: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnce) await this.turn(sender);
    else this.running++;
    try {
      return await work();
    } finally {
      this.next();
    }
  }

  private turn({ address, connection }: Sender): Promise<void> {
    return new Promise((resolve, reject) => {
      const place = placeOf(address);
      const lanes = this.places.get(place) ?? new Map<string, Waiting[]>();
      this.places.set(place, lanes);
      const lane = lanes.get(connection) ?? [];
      lanes.set(connection, lane);
      lane.push({ begin: resolve, drop: reject });
      if (++this.waiting > this.maxWaiting) this.dropOne();
    });
  }

  /** The turn of who has ended passes on. */
  private next(): void {
    const [place, lanes] = this.places.entries().next().value ?? [];
    const [connection, lane] = lanes?.entries().next().value ?? [];
    const first = lane?.shift();
    if (place === undefined || lanes === undefined || connection === undefined || first === undefined)
      return void this.running--;
    this.waiting--;
    lanes.delete(connection);
    if (lane!.length > 0) lanes.set(connection, lane!);
    this.places.delete(place);
    if (lanes.size > 0) this.places.set(place, lanes);
    first.begin();
  }

  private dropOne(): void {
    const count = (lanes: Map<string, Waiting[]>) => [...lanes.values()].reduce((sum, { length }) => sum + length, 0);
    const [place, lanes] = largest(this.places, count);
    const [connection, lane] = largest(lanes, ({ length }) => length);
    const last = lane.pop()!;
    if (lane.length === 0) lanes.delete(connection);
    if (lanes.size === 0) this.places.delete(place);
    this.waiting--;
    last.drop(busy());
  }
}

/** Of several the last, who came last. */
const largest = <V>(map: Map<string, V>, size: (value: V) => number): [string, V] =>
  [...map].reduce((best, one) => (size(one[1]) >= size(best[1]) ? one : best));

const busy = (): RefusedError =>
  new RefusedError(
    refusal(429, 'too_many_attempts', 'too many attempts wait for their turn', {
      hint: 'try again in a moment; nothing is used up',
    }),
    1,
  );
