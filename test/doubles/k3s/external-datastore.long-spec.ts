import { GATEWAY_V4 } from '../../../apps/lab/src/namespace.js';
import { until } from '../../../apps/lab/src/processes.js';
import { describeWithRealParts } from '../../e2e/support/with-real-parts.js';
import { SqlServer } from './sql-server.js';
import { Cluster, PATIENCE_MS, type Running } from './testing.js';

const TOKEN = 'the-token-that-all-servers-start-with';
const CA = '/var/lib/rancher/k3s/server/tls/server-ca.crt';
const needs = { network: 'namespaces', tools: ['kubectl'] } as const;

describeWithRealParts('k3s servers on one external datastore', needs, () => {
  let sql: SqlServer;
  let cluster: Cluster;
  const running = new Map<string, Running>();

  beforeAll(async () => {
    sql = await SqlServer.start();
    cluster = await Cluster.create(['s1', 's2', 's3'], [sql.port]);
  });
  afterAll(async () => {
    await cluster?.end();
    await sql?.end();
  });

  /** The password is in a file that only root may read, as the agent writes it. */
  const start = async (machine: string, token = TOKEN): Promise<Running> => {
    const config = `datastore-endpoint: "${sql.endpoint(GATEWAY_V4)}"\ntoken: "${token}"\n`;
    const write = `umask 077; mkdir -p /etc/rancher/k3s; printf '%s' '${config}' > /etc/rancher/k3s/config.yaml`;
    await cluster.on(machine, 'sh', '-c', write);
    const k3s = cluster.k3s(machine, 'server');
    running.set(machine, k3s);
    return k3s;
  };
  const from = (machine: string, ...args: string[]) => cluster.kubectl('--server', cluster.url(machine), ...args);
  const takesWrites = (machine: string, name: string) =>
    until(
      `${machine} takes writes`,
      async () => (await from(machine, 'create', 'configmap', name)).code === 0,
      PATIENCE_MS,
      100,
    );
  const namesOf = async (machine: string): Promise<string> => {
    let answer = await from(machine, 'get', 'configmaps', '-o', 'name');
    const again = async () => (answer = await from(machine, 'get', 'configmaps', '-o', 'name')).code === 0;
    if (answer.code !== 0) await until(`${machine} answers (${answer.stderr})`, again, PATIENCE_MS, 100);
    return answer.stdout;
  };

  it('are one cluster, whichever of them is first', async () => {
    const [one, two] = await Promise.all([start('s1'), start('s2')]);
    await cluster.useKubeconfigOf('s2');
    await cluster.ready('s1', one);
    await cluster.ready('s2', two);
    const cas = await Promise.all(['s1', 's2'].map(async (s) => (await cluster.on(s, 'cat', CA)).stdout));
    expect(cas[0]).toContain('BEGIN CERTIFICATE');
    expect(cas[0]).toBe(cas[1]);
    expect(await cluster.ask('get', 'nodes')).toMatch(/^s1 +Ready +control-plane,master /m);
    await takesWrites('s1', 'written-at-s1');
    // What one has taken the other shows at once, and a version is the same on both.
    expect(await namesOf('s2')).toContain('written-at-s1');
    expect((await from('s2', 'create', 'configmap', 'written-at-s1')).stderr).toContain('already exists');
  });

  it('lose nothing with any of them, also with the first one, and take it back', async () => {
    await cluster.lab.kill9Host('s1');
    await takesWrites('s2', 'while-s1-is-away');
    await cluster.ready('s3', await start('s3'));
    await cluster.lab.kill9Host('s2');
    for (const name of ['written-at-s1', 'while-s1-is-away']) expect(await namesOf('s3')).toContain(name);
    await takesWrites('s3', 'while-only-s3-is-there');
    await cluster.lab.addHost('s1');
    await cluster.useKubeconfigOf('s3');
    await cluster.ready('s1', await start('s1'));
    expect(await namesOf('s1')).toContain('while-only-s3-is-there');
  });

  it('refuse another token, and tell the password to nobody', async () => {
    await cluster.lab.addHost('s2');
    await cluster.on('s2', 'rm', '-rf', '/var/lib/rancher/k3s/server');
    const refused = await start('s2', 'another-token');
    await until('it ends', () => /encrypted with different token/.test(refused.text()), PATIENCE_MS);
    const { stdout } = await cluster.on('s1', 'sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "');
    expect(stdout).toContain('k3s server');
    for (const text of [stdout, ...[...running.values()].map((k3s) => k3s.text())])
      expect(text).not.toContain(sql.password);
    const kept = await sql.query<{ value: Buffer }>(`SELECT value FROM kine`, 'kubernetes');
    for (const { value } of kept) expect(value.toString('utf8')).not.toContain(TOKEN);
  });

  it('answer no writes while the datastore is away, and go on when it is back', async () => {
    sql.cutWire();
    const alone = await from('s3', 'create', 'configmap', 'lost');
    expect(alone.code).not.toBe(0);
    expect((await from('s3', 'get', '--raw', '/readyz')).code).not.toBe(0);
    sql.mendWire();
    await takesWrites('s3', 'afterwards');
    expect(await namesOf('s1')).not.toContain('lost');
  });
});
