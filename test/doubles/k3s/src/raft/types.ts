/** A member of the datastore. The id is new for every joined data directory, so a wiped server is a new member. */
export interface Member {
  readonly id: string;
  readonly name: string;
  readonly peerUrl: string;
}

/** One conditional write. `ifRevision`: 0 = must not exist, n = must be at that revision, absent = whatever is there. */
export interface Txn {
  readonly kind: 'txn';
  readonly key: string;
  readonly ifRevision?: number;
  /** JSON text; null deletes. */
  readonly value: string | null;
}
export type Command =
  Txn | { readonly kind: 'noop' } | { readonly kind: 'members'; readonly members: readonly Member[] };

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly command: Command;
}

export type TxnResult =
  { readonly ok: true; readonly revision: number } | { readonly ok: false; readonly current: number };

export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly members: readonly Member[];
  readonly state: string;
}

export interface AppendRequest {
  readonly term: number;
  readonly leader: string;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly snapshot?: Snapshot;
}
export interface AppendResponse {
  readonly term: number;
  readonly ok: boolean;
  /** The follower's last index: where to go on, or where to step back to. */
  readonly lastIndex: number;
}
export interface VoteRequest {
  readonly term: number;
  readonly candidate: string;
  readonly lastIndex: number;
  readonly lastTerm: number;
}
export interface VoteResponse {
  readonly term: number;
  readonly granted: boolean;
  /** The candidate is a member no more. */
  readonly removed?: boolean;
}

/** How members reach each other. */
export interface PeerTransport {
  vote(peer: Member, request: VoteRequest): Promise<VoteResponse>;
  append(peer: Member, request: AppendRequest): Promise<AppendResponse>;
  propose(peer: Member, txn: Txn): Promise<{ result: TxnResult; index: number }>;
  readIndex(peer: Member): Promise<number>;
}

/** What the log drives. Applying must be deterministic. */
export interface StateMachine {
  apply(txn: Txn): TxnResult;
  serialize(): string;
  restore(state: string): void;
}

export class NoLeaderError extends Error {
  override readonly name = 'NoLeaderError';
}

export const isStranger = (members: readonly Member[], id: string): boolean =>
  !members.some((member) => member.id === id);
