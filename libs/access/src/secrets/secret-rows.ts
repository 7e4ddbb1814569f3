/** A subject's data key, wrapped by the master key. */
export interface KeyRow {
  readonly keyId: string;
  readonly wrapped: Uint8Array;
}

export interface SecretRow {
  readonly subject: string;
  readonly name: string;
  /** The data key it is sealed under; a row whose key is gone must not be there. */
  readonly keyId: string;
  readonly sealed: Uint8Array;
}

/** Where the ciphertexts are. Postgres in the platform, memory in tests. */
export interface SecretRows {
  key(subject: string): Promise<KeyRow | undefined>;
  /** Stores the key unless the subject has one; answers the key that is there then. */
  addKey(subject: string, key: KeyRow): Promise<KeyRow>;
  /** Stores or replaces; 'shredded' when the key is not the subject's (any more). */
  put(row: SecretRow): Promise<'stored' | 'shredded'>;
  get(subject: string, name: string): Promise<{ readonly row: SecretRow; readonly key: KeyRow } | undefined>;
  /** Deletes the data key and everything sealed under it, in one step. */
  deleteKey(subject: string): Promise<void>;
}
