import type { KeyRow, SecretRow, SecretRows } from './secret-rows.js';

export class MemorySecretRows implements SecretRows {
  private readonly keys = new Map<string, KeyRow>();
  private readonly rows = new Map<string, Map<string, SecretRow>>();

  async key(subject: string): Promise<KeyRow | undefined> {
    return this.keys.get(subject);
  }

  async addKey(subject: string, key: KeyRow): Promise<KeyRow> {
    const existing = this.keys.get(subject);
    if (existing === undefined) this.keys.set(subject, key);
    return existing ?? key;
  }

  async put(row: SecretRow): Promise<'stored' | 'shredded'> {
    if (this.keys.get(row.subject)?.keyId !== row.keyId) return 'shredded';
    const ofSubject = this.rows.get(row.subject) ?? new Map<string, SecretRow>();
    this.rows.set(row.subject, ofSubject.set(row.name, row));
    return 'stored';
  }

  async get(subject: string, name: string): Promise<{ row: SecretRow; key: KeyRow } | undefined> {
    const key = this.keys.get(subject);
    const row = this.rows.get(subject)?.get(name);
    return key === undefined || row === undefined ? undefined : { row, key };
  }

  async deleteKey(subject: string): Promise<void> {
    this.keys.delete(subject);
    this.rows.delete(subject);
  }
}
