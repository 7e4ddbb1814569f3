import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '../../apps/platform/src/testing/test-platform.js';
import { commandsOf } from '../systemd/support/runbook.js';
import { describeUnless } from './support/with-real-parts.js';
import { freePort } from '../../apps/platform/src/testing/free-port.js';

const VERSIONS = '/usr/lib/postgresql';
/** Debian's server with the client programs of the same version. */
const programs = (existsSync(VERSIONS) ? readdirSync(VERSIONS) : [])
  .sort((a, b) => Number(b) - Number(a))
  .map((version) => join(VERSIONS, version, 'bin'))
  .find((bin) => ['postgres', 'initdb', 'pg_dump', 'pg_restore'].every((name) => existsSync(join(bin, name))));
const missing = programs === undefined ? "Debian's postgresql (server and client programs in /usr/lib/postgresql)" : '';

const sh = (script: string, env: Readonly<Record<string, string>> = {}): string => {
  const { status, stdout, stderr } = spawnSync('sh', ['-euc', script], {
    encoding: 'utf8',
    env: { PATH: `${programs}:${process.env['PATH'] ?? ''}`, ...env },
  });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout.trim();
};

describeUnless(missing, 'a Postgres of your own, backed up and restored as the runbook says', () => {
  let folder: string;
  let port: number;
  let drover: TestPlatform | undefined;

  /** Postgres does not run as root. */
  const asPostgres = (script: string): string =>
    process.getuid?.() === 0 ? sh(`su postgres -s /bin/sh -c 'PATH=${programs}:$PATH; ${script}'`) : sh(script);
  const urlOf = (database: string) => `postgres://drover@127.0.0.1:${port}/${database}`;
  /** The commands of the runbook, with the folders of this test in the place of the package's. */
  const play = (heading: string, data: string, database: string): void => {
    for (const block of commandsOf('backup.md', heading))
      sh(block.replaceAll('/srv/backup', join(folder, 'backup')).replaceAll('/var/lib/drover', data), {
        DATABASE_URL: urlOf(database),
      });
  };
  const call = async (tool: string, args: object, token: string) => {
    const { body } = await drover!.rest(tool, args, token);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data;
  };
  const names = async (token: string) =>
    ((await call('system_sdwan_list_networks', {}, token)).networks as { name: string }[]).map(({ name }) => name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'drover-backup-'));
    if (process.getuid?.() === 0) sh(`chown postgres ${folder}`);
    chmodSync(folder, 0o755);
    port = await freePort();
    asPostgres(`initdb -D ${folder}/pg -A trust -U drover >${folder}/initdb.log`);
    asPostgres(
      `pg_ctl -D ${folder}/pg -o "-p ${port} -h 127.0.0.1 -k ${folder}" -l ${folder}/pg.log -w start >/dev/null`,
    );
    sh(`createdb -h 127.0.0.1 -p ${port} -U drover drover && createdb -h 127.0.0.1 -p ${port} -U drover restored`);
  });
  afterAll(async () => {
    await drover?.stop();
    asPostgres(`pg_ctl -D ${folder}/pg -m immediate -w stop >/dev/null`);
    rmSync(folder, { recursive: true, force: true });
  });

  it('has what was there, opens it with the keys, and not what came after; the log verifies', async () => {
    drover = await startTestPlatform({ DATABASE_URL: urlOf('drover') });
    const { token, dataDir } = drover;
    await call('system_sdwan_create_network', { name: 'kept' }, token);
    // While it runs, as the runbook says.
    play('Back up: a Postgres of your own (`DATABASE_URL`)', dataDir, 'drover');
    await call('system_sdwan_create_network', { name: 'after-the-backup' }, token);
    await drover.stop();

    const again = join(folder, 'restored');
    play('Restore: a Postgres of your own', again, 'restored');
    drover = await startTestPlatform({ DATABASE_URL: urlOf('restored'), DROVER_DATA_DIR: again });
    expect(readFileSync(join(again, 'admin.token'), 'utf8').trim()).toBe(token);
    expect(await names(token)).toEqual(['kept']);
    expect(await call('verify_audit', {}, token)).toMatchObject({ intact: true, complete: true });
  }, 300_000);
});
