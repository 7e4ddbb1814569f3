import assert from 'node:assert/strict';
import { GATEWAY_V4 } from '../../../apps/lab/src/namespace.js';
import { until } from '../../../apps/lab/src/processes.js';
import { SqlServer } from './sql-server.js';
import { Cluster, PATIENCE_MS, type Running } from './testing.js';

const FIRST_TOKEN = 'the-token-that-all-servers-start-with';
const NEXT_TOKEN = 'the-token-of-after-the-rotation';
const CA = '/var/lib/rancher/k3s/server/tls/server-ca.crt';
const DIFFERENT = /encrypted with different token/;

/** Servers of one cluster on a real Postgres, a worker, and who looks at them. */
export class SqlWorld {
  readonly running = new Map<string, Running>();
  token = FIRST_TOKEN;

  private constructor(
    readonly sql: SqlServer,
    readonly cluster: Cluster,
  ) {}

  static async create(): Promise<SqlWorld> {
    const sql = await SqlServer.start();
    try {
      return new SqlWorld(sql, await Cluster.create(['s1', 's2', 's3', 'w1'], [sql.port]));
    } catch (error) {
      await sql.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    await this.cluster.end();
    await this.sql.end();
  }

  /** The password is in a file that only root may read, as the agent writes it. */
  async start(machine: string, token = this.token): Promise<Running> {
    const config = `datastore-endpoint: "${this.sql.endpoint(GATEWAY_V4)}"\ntoken: "${token}"\n`;
    const write = `umask 077; mkdir -p /etc/rancher/k3s; printf '%s' '${config}' > /etc/rancher/k3s/config.yaml`;
    await this.cluster.on(machine, 'sh', '-c', write);
    const k3s = this.cluster.k3s(machine, 'server');
    this.running.set(machine, k3s);
    return k3s;
  }

  /** Its port is free again when this resolves. */
  async stop(machine: string): Promise<void> {
    this.running.get(machine)!.end();
    const silent = async () => (await this.from(machine, 'get', '--raw', '/version')).code !== 0;
    await until(`${machine} has stopped`, silent, PATIENCE_MS, 100);
  }

  from(machine: string, ...args: string[]) {
    return this.cluster.kubectl('--server', this.cluster.url(machine), ...args);
  }

  takesWrites(machine: string, name: string): Promise<void> {
    const written = async () => (await this.from(machine, 'create', 'configmap', name)).code === 0;
    return until(`${machine} takes writes`, written, PATIENCE_MS, 100);
  }

  async namesOf(machine: string): Promise<string> {
    let answer = await this.from(machine, 'get', 'configmaps', '-o', 'name');
    const again = async () => (answer = await this.from(machine, 'get', 'configmaps', '-o', 'name')).code === 0;
    if (answer.code !== 0) await until(`${machine} answers (${answer.stderr})`, again, PATIENCE_MS, 100);
    return answer.stdout;
  }

  /** Under which names the cluster's keys stand in the database: one for each token that opens them. */
  async bootstrapKeys(): Promise<string[]> {
    const newest = `SELECT DISTINCT ON (name) name, deleted FROM kine WHERE starts_with(name, '/bootstrap/') ORDER BY name, id DESC`;
    const rows = await this.sql.query<{ name: string }>(
      `SELECT name FROM (${newest}) AS keys WHERE deleted = 0`,
      'kubernetes',
    );
    return rows.map(({ name }) => name);
  }

  rotate(machine: string, token: string, next: string) {
    return this.cluster.on(machine, this.cluster.bin, 'token', 'rotate', '--token', token, '--new-token', next);
  }
}

export interface SqlCheck {
  readonly name: string;
  run(world: SqlWorld): Promise<void>;
}

/** What K3s does on a database elsewhere, each check after the one before: by `npm run conformance`, and in the tests. */
export const sqlChecks: readonly SqlCheck[] = [
  {
    name: 'several servers are one cluster, whichever of them is first',
    run: async (world) => {
      const { cluster } = world;
      const [one, two] = await Promise.all([world.start('s1'), world.start('s2')]);
      await cluster.useKubeconfigOf('s2');
      await cluster.ready('s1', one);
      await cluster.ready('s2', two);
      const cas = await Promise.all(['s1', 's2'].map(async (s) => (await cluster.on(s, 'cat', CA)).stdout));
      assert.match(cas[0]!, /BEGIN CERTIFICATE/);
      assert.equal(cas[0], cas[1]);
      assert.match(await cluster.ask('get', 'nodes'), /^s1 +Ready +control-plane,master /m);
      await world.takesWrites('s1', 'written-at-s1');
      // What one has taken the other shows at once, and a version is the same on both.
      assert.match(await world.namesOf('s2'), /written-at-s1/);
      assert.match((await world.from('s2', 'create', 'configmap', 'written-at-s1')).stderr, /already exists/);
    },
  },
  {
    name: 'a worker joins at any of them with a join token that another made',
    run: async ({ cluster }) => {
      const made = await cluster.on('s1', cluster.bin, 'token', 'create', '--ttl', '10m');
      const token = made.stdout.trim().split('\n').at(-1)!;
      assert.match(token, /^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/, made.stderr);
      await cluster.ready('w1', cluster.k3s('w1', 'agent', '--server', cluster.url('s2'), '--token', token));
    },
  },
  {
    name: 'lose nothing with any server, also with the first one and the one a worker joined at, and take it back',
    run: async (world) => {
      const { lab } = world.cluster;
      await lab.kill9Host('s1');
      await world.takesWrites('s2', 'while-s1-is-away');
      await world.cluster.ready('s3', await world.start('s3'));
      // A worker hears of a new server from those it knows; then it may lose the one it joined at.
      const known = '/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json';
      const hears = async () => (await world.cluster.on('w1', 'cat', known)).stdout.includes(world.cluster.ip('s3'));
      await until('the worker knows the new server', hears, PATIENCE_MS, 200);
      await lab.kill9Host('s2');
      for (const name of ['written-at-s1', 'while-s1-is-away']) assert.ok((await world.namesOf('s3')).includes(name));
      await world.takesWrites('s3', 'while-only-s3-is-there');
      await world.cluster.useKubeconfigOf('s3');
      const lost = async () => /^s2 +NotReady/m.test((await world.cluster.kubectl('get', 'nodes')).stdout);
      await until('s2 is missed', lost, PATIENCE_MS, 200);
      await world.cluster.ready('w1', world.running.get('s3')!);
      await lab.addHost('s1');
      await world.cluster.ready('s1', await world.start('s1'));
      assert.match(await world.namesOf('s1'), /while-only-s3-is-there/);
    },
  },
  {
    name: 'rotate the server token at once for the database; each server needs it at its next start, a worker never',
    run: async (world) => {
      const { cluster } = world;
      const [before] = await world.bootstrapKeys();
      const rotated = await world.rotate('s1', FIRST_TOKEN, NEXT_TOKEN);
      assert.equal(rotated.code, 0, rotated.stderr);
      const after = await world.bootstrapKeys();
      assert.equal(after.length, 1, after.join());
      assert.notEqual(after[0], before);
      await world.stop('s3');
      const refused = await world.start('s3', FIRST_TOKEN);
      await until('it ends with the former token', () => DIFFERENT.test(refused.text()), PATIENCE_MS);
      world.token = NEXT_TOKEN;
      await cluster.ready('s3', await world.start('s3'));
      await world.stop('s1');
      await cluster.ready('s1', await world.start('s1'));
      for (const server of ['s1', 's3']) {
        await world.takesWrites(server, `after-the-rotation-at-${server}`);
        const again = await world.rotate(server, FIRST_TOKEN, 'a-third-one');
        assert.notEqual(again.code, 0, `${server} takes the former token: ${again.stdout}`);
      }
      assert.deepEqual(await world.bootstrapKeys(), after);
      await cluster.ready('w1', world.running.get('s3')!);
    },
  },
  {
    name: 'refuse another token, and tell the password to nobody',
    run: async (world) => {
      const { cluster, sql } = world;
      await cluster.lab.addHost('s2');
      await cluster.on('s2', 'rm', '-rf', '/var/lib/rancher/k3s/server');
      const refused = await world.start('s2', 'another-token');
      await until('it ends', () => DIFFERENT.test(refused.text()), PATIENCE_MS);
      const { stdout } = await cluster.on('s1', 'sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "');
      assert.match(stdout, /k3s server/);
      for (const text of [stdout, ...[...world.running.values()].map((k3s) => k3s.text())])
        assert.ok(!text.includes(sql.password), 'the password is told');
      for (const { value } of await sql.query<{ value: Buffer }>('SELECT value FROM kine', 'kubernetes'))
        for (const token of [FIRST_TOKEN, NEXT_TOKEN])
          assert.ok(!value.toString('utf8').includes(token), 'a token stands in the database');
    },
  },
  {
    name: 'take no writes while the database is away; they, and a server started meanwhile, go on when it is back',
    run: async (world) => {
      const { sql, cluster } = world;
      sql.cutWire();
      try {
        assert.notEqual((await world.from('s3', 'create', 'configmap', 'lost')).code, 0);
        assert.notEqual((await world.from('s3', 'get', '--raw', '/readyz')).code, 0);
        await world.start('s2');
        assert.notEqual((await world.from('s2', 'get', '--raw', '/readyz')).code, 0);
      } finally {
        sql.mendWire();
      }
      await world.takesWrites('s3', 'afterwards');
      assert.ok(!(await world.namesOf('s1')).includes('configmap/lost'));
      await cluster.ready('s2', world.running.get('s2')!);
      assert.match(await world.namesOf('s2'), /afterwards/);
    },
  },
];
