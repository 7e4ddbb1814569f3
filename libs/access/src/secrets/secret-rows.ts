/** A subject's data key, wrapped by the master key. */
export interface KeyRow {
  readonly kind: 'key';
  readonly keyId: string;
  readonly wrapped: Uint8Array;
  /** Fingerprint of the master key; null: of the one before the first rotation. */
  readonly wrappedBy: string | null;
}

/** What is left of a subject that has ended: no key, and which secrets went with it. */
export interface EndedRow {
  readonly kind: 'ended';
  /** Wall time, milliseconds. */
  readonly atMs: number;
  /** Null when nothing was ever sealed for the subject. */
  readonly keyId: string | null;
  readonly names: readonly string[];
}

export interface SecretRow {
  readonly subject: string;
  readonly name: string;
  /** The data key it is sealed under; a row whose key is gone must not be there. */
  readonly keyId: string;
  readonly sealed: Uint8Array;
}

/** A data key as rotation of the master key sees it. */
export type SubjectKeyRow = KeyRow & { readonly subject: string };

/** Where the ciphertexts are. Postgres in the platform, memory in tests. */
export interface SecretRows {
  key(subject: string): Promise<KeyRow | EndedRow | undefined>;
  /**
   * Stores the key unless the subject has one or has ended; answers what is there then. 'stale': the key that wraps it is not the
   * platform's master key any more.
   */
  addKey(subject: string, key: KeyRow): Promise<KeyRow | EndedRow | 'stale'>;
  /** Fingerprint of the platform's master key; undefined where nothing says. */
  validKey(): Promise<string | undefined>;
  /** Stores or replaces; 'shredded' when the key is not the subject's (any more). */
  put(row: SecretRow): Promise<'stored' | 'shredded'>;
  get(subject: string, name: string): Promise<{ readonly row: SecretRow; readonly key: KeyRow } | undefined>;
  /** Deletes the data key and everything sealed under it in one step, for good. Again changes nothing. */
  end(subject: string): Promise<EndedRow>;
}
