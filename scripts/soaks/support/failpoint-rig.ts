import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { FAILPOINTS, type FailpointName } from '#kernel';
import { openPostgres } from '#event-store';
import { Lab } from '../../../apps/lab/src/lab.js';
import { choosePorts, PlatformProcess } from '../../../apps/lab/src/platform-process.js';
import { undoLater } from './cleanup.js';
import { problemsOfLog, readLogOf, type LogPlace } from './event-log.js';
import { KeptPlatform } from './kept-platform.js';
import { PatientOperator } from './patient-operator.js';
import { patientWorld } from './patient-world.js';
import { problemsOfProcesses } from './process-effects.js';
import { problemsOfReadModels } from './read-model-check.js';
import { SHORT_SERVERS, SHORT_WORKER, ShortStory } from './short-story.js';
import { problemsOfShortStory } from './short-story-log.js';

export type Action = 'kill' | 'sleep';
export type Engine = 'embedded' | 'server';
export interface Armed {
  readonly failpoints: readonly FailpointName[];
  readonly action: Action;
  /** Points that stall in the same story, whatever the action of the others. */
  readonly stalls?: readonly FailpointName[];
  /** Of a database on a server of its own; without it the platform runs the embedded Postgres. */
  readonly databaseUrl?: string;
}
export interface Played {
  readonly reached: readonly string[];
  readonly deaths: number;
  readonly repeats: number;
  readonly events: number;
  readonly problems: readonly string[];
}

/** Times of failover have tests of their own; here a crowded machine must not look like a dead one. */
const PATIENT_LEASES = {
  DROVER_BEAT_MS: '500',
  DROVER_LEASE_MS: '15000',
  DROVER_VIP_BEAT_MS: '500',
  DROVER_VIP_LEASE_MS: '6000',
};

const SPEC: Readonly<Record<Action, string>> = { kill: 'kill', sleep: 'sleep:1000' };

export const isOfAgent = (name: FailpointName): boolean => FAILPOINTS[name].file.startsWith('agent/');

const spec = (names: readonly FailpointName[], { action, stalls = [] }: Armed): string =>
  names.map((name) => `${name}=${SPEC[stalls.includes(name) ? 'sleep' : action]}`).join(',');

const allOf = ({ failpoints, stalls = [] }: Armed): readonly FailpointName[] => [...failpoints, ...stalls];

/** An agent that is told to leave dies twice meanwhile. */
const WIPE_MS = 20_000;

/** A lab, a platform that is started again when it dies, an operator who repeats calls; failpoints are armed in all of it. */
export class FailpointRig {
  private readonly kept: KeptPlatform;
  private readonly operator: PatientOperator;
  private readonly undo: () => Promise<void>;

  private constructor(
    private readonly armed: Armed,
    private readonly lab: Lab,
    platform: PlatformProcess,
    private readonly dataDir: string,
    private readonly step: (what: string, atMs: number) => void,
  ) {
    this.kept = new KeptPlatform(platform);
    this.operator = new PatientOperator(`${platform.httpUrl}/mcp`, () => platform.token);
    this.undo = undoLater(() => this.tearDown());
  }

  static async create(root: string, armed: Armed, step: (what: string, atMs: number) => void): Promise<FailpointRig> {
    const dataDir = mkdtempSync(join(tmpdir(), 'drover-failpoints-'));
    const reached = join(dataDir, 'reached');
    mkdirSync(reached);
    const env = (names: readonly FailpointName[]) => ({
      DROVER_FAILPOINTS: spec(names, armed),
      DROVER_FAILPOINTS_DIR: reached,
    });
    const ports = await choosePorts({ http: 0, agents: 0, enroll: 0 });
    const agentEnv = env(allOf(armed).filter(isOfAgent));
    const lab = await Lab.create({
      hosts: SHORT_SERVERS,
      platformPorts: Object.values(ports),
      root,
      agentEnv,
      graceMs: WIPE_MS,
    });
    const platform = new PlatformProcess({
      root,
      dataDir,
      ports,
      logFile: join(dataDir, 'platform.log'),
      publicUrl: lab.publicUrl(ports.http),
      provisionerSocket: lab.provisionerSocket,
      env: {
        ...env(allOf(armed).filter((n) => !isOfAgent(n))),
        ...PATIENT_LEASES,
        DATABASE_URL: armed.databaseUrl ?? '',
      },
    });
    return new FailpointRig(armed, lab, platform, dataDir, step);
  }

  /** Plays the story to its end, stops and starts the platform, repeats what was acknowledged, and looks at everything. */
  async play(): Promise<Played> {
    await this.kept.start();
    const story = new ShortStory(
      this.operator,
      patientWorld(this.lab, this.operator),
      () => this.lab.addHost(SHORT_WORKER),
      this.step,
    );
    await story.play();
    await story.end();
    await this.kept.stop();
    await this.setBack();
    await this.kept.start();
    await story.end();
    const repeated = await this.operator.repeatAll();
    await story.end();
    await this.operator.close();
    const stoppedMs = Date.now();
    await this.kept.stop();
    const reached = readdirSync(join(this.dataDir, 'reached'));
    const { events, problems } = await this.judge(stoppedMs);
    const missed = allOf(this.armed).filter((name) => !reached.includes(name));
    return {
      reached,
      deaths: this.kept.deaths,
      repeats: this.operator.repeats,
      events,
      problems: [...missed.map((name) => `${name} was never reached`), ...repeated, ...problems],
    };
  }

  /** Logs of everyone, for whoever has to find out why. */
  keepEvidence(dir: string): void {
    mkdirSync(dir, { recursive: true });
    copyFileSync(join(this.dataDir, 'platform.log'), join(dir, 'platform.log'));
    for (const [name, agent] of this.lab.agents) copyFileSync(agent.logFile, join(dir, `${name}.log`));
  }

  close(): Promise<void> {
    return this.undo();
  }

  /**
   * As after an upgrade: tables of another shape are there, new ones are built beside them and the views switch. And as
   * after a crash of the database, which may forget the outputs' checkpoint: everything is looked at once more.
   */
  private async setBack(): Promise<void> {
    await this.withPool(async (pool) => {
      await pool.query(`UPDATE processing.projections SET columns = 'of an older build'`);
      await pool.query(`UPDATE processing.checkpoints SET position = 0 WHERE name = 'process:outputs'`);
    });
  }

  private async judge(stoppedMs: number): Promise<{ events: number; problems: string[] }> {
    const log = await readLogOf(this.place);
    const readModels = await this.withPool((pool) => problemsOfReadModels(pool, log.events, stoppedMs));
    const problems = [
      ...problemsOfLog(log),
      ...readModels,
      ...(await problemsOfProcesses(log.events)),
      ...problemsOfShortStory(log.events, this.operator.acknowledged, allOf(this.armed).some(isOfAgent)),
    ];
    return { events: log.events.length, problems };
  }

  private get place(): LogPlace {
    const { databaseUrl } = this.armed;
    return { dataDir: this.dataDir, ...(databaseUrl === undefined ? {} : { databaseUrl }) };
  }

  private async withPool<T>(work: (pool: pg.Pool) => Promise<T>): Promise<T> {
    const postgres = await openPostgres(this.place);
    const pool = new pg.Pool(postgres.connection);
    // `end` resolves before the sockets are closed; a server that stops cuts them off, and the pool would throw that.
    pool.on('error', () => undefined);
    try {
      return await work(pool);
    } finally {
      await pool.end();
      await postgres.stop();
    }
  }

  private async tearDown(): Promise<void> {
    await this.operator.close();
    await this.kept.kill();
    await this.lab.destroy();
    // A Postgres that outlived its killed platform is adopted, and so ended.
    await (await openPostgres(this.place)).stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
