import type { Datastore } from '../datastore.js';
import { info, messageOf, warn } from '../log.js';
import { NoLeaderError, type Member, type Txn, type TxnResult } from '../raft/types.js';
import type { KubeObject, Store } from '../store.js';
import { tuning } from '../version.js';
import { LeaderLease } from './leader-lease.js';
import type { KineTable, Row } from './table.js';

export const REGISTRY = '/registry/';

/** The datastore in somebody else's database: state is shared through its rows, and nothing of it is on this server. */
export class Kine implements Datastore {
  readonly members: readonly Member[] = [];
  readonly changingMembers = false;
  private readonly lease: LeaderLease;
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  private failing = false;

  private constructor(
    readonly self: Member,
    private readonly table: KineTable,
    private readonly store: Store,
  ) {
    this.lease = new LeaderLease(this, store, self.name);
  }

  static async start(self: Member, table: KineTable, store: Store): Promise<Kine> {
    const { revision, rows } = await table.list(REGISTRY);
    const values = rows.map((row) => [row.name, { revision: row.id, object: stamped(row) }]);
    store.restore(JSON.stringify({ revision, values }));
    const kine = new Kine(self, table, store);
    setInterval(() => void kine.readBarrier().catch(() => undefined), tuning.kinePollMs);
    kine.lease.start();
    return kine;
  }

  get isLeader(): boolean {
    return this.lease.held;
  }

  async propose(txn: Txn): Promise<TxnResult> {
    const written = await this.tried(() => this.table.write(txn.key, txn.ifRevision, txn.value));
    if (!written.ok) return written;
    await this.readBarrier();
    return { ok: true, revision: written.id };
  }

  /** One query answers for all who ask while it waits for its turn. */
  readBarrier(): Promise<void> {
    this.next ??= (this.running ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        this.running = this.next;
        this.next = undefined;
        return this.pull();
      });
    return this.next;
  }

  changeMembers(): Promise<void> {
    throw new Error('an external datastore has no members');
  }

  private async pull(): Promise<void> {
    const rows = await this.tried(() => this.table.after(this.store.revision));
    for (const row of rows)
      if (row.name.startsWith(REGISTRY)) this.store.record(row.id, row.name, row.deleted ? null : row.value);
      else this.store.revision = row.id;
  }

  private async tried<T>(act: () => Promise<T>): Promise<T> {
    try {
      const done = await act();
      if (this.failing) info('The datastore answers again');
      this.failing = false;
      return done;
    } catch (cause) {
      if (!this.failing) warn(`The datastore does not answer: ${messageOf(cause)}`);
      this.failing = true;
      throw new NoLeaderError(`rpc error: code = Unavailable desc = ${messageOf(cause)}`, { cause });
    }
  }
}

const stamped = ({ id, value }: Row): KubeObject => {
  const object = JSON.parse(value) as KubeObject;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(id) } };
};
