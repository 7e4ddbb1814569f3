import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '#event-store';
import { undoLater } from './cleanup.js';

/** A Postgres that is not the platform's own: what DATABASE_URL names. It goes on when the platform dies. */
export class DatabaseServer {
  readonly stop: () => Promise<void>;

  private constructor(private readonly postgres: EmbeddedPostgres) {
    this.stop = undoLater(() => postgres.stop());
  }

  static async start(dataDir: string): Promise<DatabaseServer> {
    return new DatabaseServer(await startEmbeddedPostgres({ dataDir, dieWithParent: true }));
  }

  /** The URL of an empty database. */
  async freshDatabase(): Promise<string> {
    const name = `story_${randomUUID().replaceAll('-', '')}`;
    const client = new pg.Client(this.postgres.connection);
    await client.connect();
    try {
      await client.query(`CREATE DATABASE ${name}`);
    } finally {
      await client.end();
    }
    return this.postgres.connectionString.replace('/postgres?', `/${name}?`);
  }
}
