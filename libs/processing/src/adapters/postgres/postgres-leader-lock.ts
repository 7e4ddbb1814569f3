import { failpoint, systemTimers, type Cancel, type Timers } from '#kernel';
import type { Pool, PoolClient } from 'pg';
import { CutOffError, type Leadership, type LeaderLock } from '../../host/leader.js';

/** Any fixed number; advisory locks are per database. */
const LEADER_LOCK = 7_203_117;

export interface LeaseOptions {
  readonly timers?: Timers;
  /** A leader that has not been heard of for this long may be replaced, in milliseconds. */
  readonly leaseMs?: number;
  readonly beatMs?: number;
  /** Of the advisory lock, for a role other than processing. */
  readonly lockKey?: number;
}

/**
 * A session advisory lock on a connection of its own, kept out of the pool while it is held: the server frees the lock
 * when the session ends, however the process died. A process that is stopped, or whose network is gone, keeps its session;
 * so the leader renews a lease too, and who waits ends the session of one whose lease ran out. All times are the server's,
 * but for the leader's own: one whose beat has no answer for that long is cut off, and knows that it may lead no more.
 */
export class PostgresLeaderLock implements LeaderLock {
  private readonly timers: Timers;
  private readonly leaseMs: number;
  private readonly beatMs: number;
  private readonly lockKey: number;

  constructor(
    private readonly pool: Pool,
    private readonly role: string,
    options: LeaseOptions = {},
  ) {
    this.timers = options.timers ?? systemTimers;
    this.leaseMs = options.leaseMs ?? 3_000;
    this.beatMs = options.beatMs ?? 500;
    this.lockKey = options.lockKey ?? LEADER_LOCK;
  }

  async tryLead(): Promise<Leadership | undefined> {
    const client = await this.pool.connect();
    try {
      const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [this.lockKey]);
      if (rows[0]?.got !== true) {
        await client.query(EVICT, [this.role, this.leaseMs, this.lockKey]);
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

  async elsewhere(myEpoch: number | undefined): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `SELECT FROM processing.lease WHERE role = $1 AND epoch <> $2 AND beat > clock_timestamp() - $3 * interval '1 ms'`,
      [this.role, myEpoch ?? 0, this.leaseMs],
    );
    return rowCount === 1;
  }

  private async lead(client: PoolClient): Promise<Leadership> {
    const { rows } = await client.query<{ epoch: string }>(
      `WITH raised AS (
         INSERT INTO processing.leader AS l (role, epoch) VALUES ($1, 1)
         ON CONFLICT (role) DO UPDATE SET epoch = l.epoch + 1, since = now() RETURNING epoch)
       INSERT INTO processing.lease SELECT $1, epoch, pg_backend_pid(), clock_timestamp() FROM raised
       ON CONFLICT (role) DO UPDATE SET epoch = excluded.epoch,
         backend_pid = excluded.backend_pid, beat = excluded.beat
       RETURNING epoch`,
      [this.role],
    );
    await failpoint('lead.epoch_raised');
    const epoch = Number(rows[0]!.epoch);
    const lost = new AbortController();
    let held = true;
    const broken = (reason?: Error) => {
      if (!held) return;
      held = false;
      stopBeating();
      lost.abort(reason);
      client.release(true);
    };
    const stopBeating = this.beat(async () => (await client.query(BEAT, [this.role, epoch])).rowCount === 1, broken);
    client.on('error', broken);
    client.on('end', broken);
    const release = async () => {
      if (!held) return;
      stopBeating();
      await failpoint('lead.releasing');
      // A session that cannot unlock is ended, which unlocks too.
      const unlocked = await client.query(RELEASE, [this.lockKey, this.role, epoch]).then(
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
    return { epoch, lost: lost.signal, release };
  }

  /**
   * One beat at a time. How long it has no answer is counted in turns of this process: one that was stopped itself has not
   * listened, and finds the answer, or the end of its session, when it goes on.
   */
  private beat(send: () => Promise<boolean>, broken: (reason?: Error) => void): Cancel {
    let turns = 0;
    return this.timers.every(this.beatMs, () => {
      if (turns++ > 0) {
        if (turns * this.beatMs > this.leaseMs) broken(new CutOffError('the database does not answer the leader'));
        return;
      }
      const answered = (isMine: boolean) => {
        turns = 0;
        if (!isMine) broken();
      };
      void send().then(answered, broken);
    });
  }
}

/** Need not reach the disk: after a crash of the server nobody's session is left anyway. */
const BEAT = `WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
  UPDATE processing.lease SET beat = clock_timestamp() FROM relaxed WHERE role = $1 AND epoch = $2`;

const RELEASE = `WITH gone AS (DELETE FROM processing.lease WHERE role = $2 AND epoch = $3)
  SELECT pg_advisory_unlock($1)`;

/** One that stopped between lock and lease has no lease of its own yet; then it counts how long its session does nothing. */
const EVICT = `SELECT pg_terminate_backend(l.pid)
  FROM pg_locks l LEFT JOIN processing.lease s ON s.role = $1 AND s.backend_pid = l.pid
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE coalesce(s.beat, a.state_change) < clock_timestamp() - $2 * interval '1 ms'
   AND l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = $3 AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
