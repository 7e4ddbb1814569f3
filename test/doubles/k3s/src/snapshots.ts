import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lock, unlock, type LockedBootstrap } from './bootstrap-data.js';
import { saveSecrets, serverPaths, writeAtomic, type ClusterSecrets } from './files.js';
import { newMemberId } from './join.js';
import { info } from './log.js';
import { caHash } from './pki.js';
import type { Member, Snapshot } from './raft/types.js';
import { formatToken } from './token.js';

/** What is in a snapshot file: the datastore, and the cluster's keys locked with its token, as k3s keeps them in etcd. */
interface SnapshotFile {
  readonly format: 'k3s-double-snapshot';
  readonly state: string;
  readonly bootstrap: LockedBootstrap;
  readonly checksum: string;
}

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

export interface SnapshotInfo {
  readonly name: string;
  readonly location: string;
  readonly size: number;
  readonly createdAt: string;
}

/** Snapshots in a server's own directory, named NAME-NODE-SECONDS as k3s names them. */
export class SnapshotDir {
  constructor(
    readonly dir: string,
    private readonly nodeName: string,
  ) {}

  save(name: string, state: string, secrets: ClusterSecrets, bootstrap = lock(secrets)): SnapshotInfo {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const full = `${name}-${this.nodeName}-${Math.floor(Date.now() / 1_000)}`;
    const file: SnapshotFile = {
      format: 'k3s-double-snapshot',
      state,
      bootstrap,
      checksum: sum(state),
    };
    writeAtomic(join(this.dir, full), JSON.stringify(file));
    info(`Saving etcd snapshot to ${join(this.dir, full)}`);
    return this.info(full);
  }

  list(): SnapshotInfo[] {
    if (!existsSync(this.dir)) return [];
    return readdirSync(this.dir)
      .filter((name) => !name.includes('.tmp-'))
      .map((name) => this.info(name));
  }

  delete(names: readonly string[]): string[] {
    const there = names.filter((name) => existsSync(join(this.dir, basename(name))));
    for (const name of there) rmSync(join(this.dir, basename(name)));
    return there;
  }

  /** Keeps the newest `retention` of those that begin with `name` and were made on this node. */
  prune(name: string, retention: number): string[] {
    const mine = this.list()
      .filter((s) => s.name.startsWith(`${name}-${this.nodeName}-`))
      .sort((a, b) => Number(b.name.split('-').at(-1)) - Number(a.name.split('-').at(-1)));
    return this.delete(mine.slice(retention).map((s) => s.name));
  }

  private info(name: string): SnapshotInfo {
    const path = join(this.dir, name);
    const { size, mtime } = statSync(path);
    return { name, location: `file://${path}`, size, createdAt: mtime.toISOString() };
  }
}

const SAID = 'Managed etcd cluster membership has been reset, restart without --cluster-reset flag now.';

interface Reset {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly peerUrl: string;
  readonly path: string | undefined;
  /** The password part of --token. */
  readonly secret: string | undefined;
  readonly known: ClusterSecrets | undefined;
  readonly current: () => string;
}

export const resetFlagOf = (dataDir: string): string => join(serverPaths(dataDir).db, 'reset-flag');

/** --cluster-reset: this server alone, with the data that it has or with those of a snapshot. Says what k3s says. */
export const clusterReset = (reset: Reset): string => {
  const { dataDir, path } = reset;
  const paths = serverPaths(dataDir);
  const flag = resetFlagOf(dataDir);
  if (existsSync(flag))
    throw new Error(
      `Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally. If you need to perform another cluster reset, you must first manually delete the file at ${flag}`,
    );
  if (path !== undefined && !existsSync(path)) throw new Error(`etcd: snapshot path does not exist: ${path}`);
  const { state, secrets } = path === undefined ? { state: reset.current(), secrets: reset.known! } : read(path, reset);
  const keep = ['snapshots'];
  const old = `${paths.db}/etcd-old-${Math.floor(Date.now() / 1_000)}`;
  if (existsSync(paths.db)) {
    const files = readdirSync(paths.db).filter((f) => !keep.includes(f) && !f.startsWith('etcd-old-'));
    mkdirSync(old, { recursive: true });
    for (const file of files) renameSync(join(paths.db, file), join(old, file));
  }
  const member: Member = { id: newMemberId(), name: reset.nodeName, peerUrl: reset.peerUrl };
  const snapshot: Snapshot = { index: 1, term: 1, members: [member], state: alone(state) };
  writeAtomic(join(paths.db, 'snapshot.json'), JSON.stringify(snapshot));
  writeAtomic(join(paths.db, 'hard-state.json'), JSON.stringify({ term: 1, votedFor: null }));
  writeAtomic(paths.member, JSON.stringify(member));
  saveSecrets(dataDir, secrets, formatToken(caHash(secrets.serverCa.cert), secrets.secret));
  writeAtomic(flag, '');
  writeAtomic(`${paths.db}-etcd`, 'etcd\n');
  return `${SAID} Backup and delete ${dataDir}/server/db on each peer etcd server and rejoin the nodes`;
};

const read = (path: string, { secret, known }: Reset): { state: string; secrets: ClusterSecrets } => {
  const file = JSON.parse(readFileSync(path, 'utf8')) as SnapshotFile;
  if (file.format !== 'k3s-double-snapshot' || file.checksum !== sum(file.state))
    throw new Error(`snapshot restore failed: ${path}: snapshot file integrity check failed`);
  const password = secret ?? known?.secret;
  if (password === undefined) throw new Error('token is required to restore a snapshot on a new server');
  return { state: file.state, secrets: unlock(file.bootstrap, password) };
};

/** No other server is behind the kubernetes service any more until it has joined again. */
const alone = (state: string): string => {
  const parsed = JSON.parse(state) as { values: [string, { object: Record<string, unknown> }][] };
  for (const [key, value] of parsed.values)
    if (key === '/registry/endpoints/default/kubernetes') value.object['subsets'] = [];
  return JSON.stringify(parsed);
};
