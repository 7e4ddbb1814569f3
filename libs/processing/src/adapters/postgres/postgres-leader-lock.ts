import { failpoint } from '#kernel';
import type { Pool, PoolClient } from 'pg';
import type { Leadership, LeaderLock } from '../../host/leader.js';

/** Any fixed number; advisory locks are per database. */
const LEADER_LOCK = 7_203_117;

/**
 * A session advisory lock on a connection of its own, kept out of the pool while it is held: the server frees the lock
 * when the session ends, however the process died.
 */
export class PostgresLeaderLock implements LeaderLock {
  constructor(
    private readonly pool: Pool,
    private readonly role: string,
  ) {}

  async tryLead(): Promise<Leadership | undefined> {
    const client = await this.pool.connect();
    try {
      const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [LEADER_LOCK]);
      if (rows[0]?.got !== true) {
        client.release();
        return undefined;
      }
      await failpoint('lead.locked');
      return await this.lead(client);
    } catch (error) {
      // With its session the lock goes, whatever had been reached.
      client.release(true);
      throw error;
    }
  }

  private async lead(client: PoolClient): Promise<Leadership> {
    const { rows } = await client.query<{ epoch: string }>(
      `INSERT INTO processing.leader AS l (role, epoch) VALUES ($1, 1)
       ON CONFLICT (role) DO UPDATE SET epoch = l.epoch + 1, since = now() RETURNING epoch`,
      [this.role],
    );
    await failpoint('lead.epoch_raised');
    const lost = new AbortController();
    let held = true;
    const broken = () => {
      if (!held) return;
      held = false;
      lost.abort();
      client.release(true);
    };
    client.on('error', broken);
    client.on('end', broken);
    const release = async () => {
      if (!held) return;
      await failpoint('lead.releasing');
      // A session that cannot unlock is ended, which unlocks too.
      const unlocked = await client.query('SELECT pg_advisory_unlock($1)', [LEADER_LOCK]).then(
        () => true,
        () => false,
      );
      await failpoint('lead.released');
      if (!held) return;
      held = false;
      client.off('error', broken);
      client.off('end', broken);
      client.release(!unlocked);
    };
    return { epoch: Number(rows[0]!.epoch), lost: lost.signal, release };
  }
}
