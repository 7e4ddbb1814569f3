import type { EndedRow, KeyRow, SecretRow, SecretRows } from './secret-rows.js';

export class MemorySecretRows implements SecretRows {
  private readonly keys = new Map<string, KeyRow | EndedRow>();
  private readonly rows = new Map<string, Map<string, SecretRow>>();

  /** `wallMs` tells when subjects end. */
  constructor(private readonly wallMs: () => number = () => 0) {}

  async key(subject: string): Promise<KeyRow | EndedRow | undefined> {
    return this.keys.get(subject);
  }

  async addKey(subject: string, key: KeyRow): Promise<KeyRow | EndedRow> {
    const existing = this.keys.get(subject);
    if (existing === undefined) this.keys.set(subject, key);
    return existing ?? key;
  }

  async validKey(): Promise<string | undefined> {
    return undefined;
  }

  async put(row: SecretRow): Promise<'stored' | 'shredded'> {
    const key = this.keys.get(row.subject);
    if (key?.kind !== 'key' || key.keyId !== row.keyId) return 'shredded';
    const ofSubject = this.rows.get(row.subject) ?? new Map<string, SecretRow>();
    this.rows.set(row.subject, ofSubject.set(row.name, row));
    return 'stored';
  }

  async get(subject: string, name: string): Promise<{ row: SecretRow; key: KeyRow } | undefined> {
    const key = this.keys.get(subject);
    const row = this.rows.get(subject)?.get(name);
    return key?.kind !== 'key' || row === undefined ? undefined : { row, key };
  }

  async end(subject: string): Promise<EndedRow> {
    const key = this.keys.get(subject);
    if (key?.kind === 'ended') return key;
    const names = [...(this.rows.get(subject)?.keys() ?? [])].sort();
    const ended: EndedRow = { kind: 'ended', atMs: this.wallMs(), keyId: key?.keyId ?? null, names };
    this.keys.set(subject, ended);
    this.rows.delete(subject);
    return ended;
  }
}
