import type { Member, Txn, TxnResult } from './raft/types.js';

/** What keeps a cluster's objects: the embedded members (raft) or a database elsewhere that all servers share (sql). */
export interface Datastore {
  /** This server, as a member of the embedded one. */
  readonly self: Member;
  /** Whose controllers work. */
  readonly isLeader: boolean;
  /** Of the embedded one; a database elsewhere has none. */
  readonly members: readonly Member[];
  readonly changingMembers: boolean;
  /** Answers when it is kept for good and can be read here. */
  propose(txn: Txn): Promise<TxnResult>;
  /** Waits until what is read here is at least as new as when the call came (a linearizable read). */
  readBarrier(): Promise<void>;
  changeMembers(members: readonly Member[]): Promise<void>;
}
