import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerOptions } from '../cli/options.js';
import {
  createSecrets,
  httpsUrl,
  loadSecrets,
  readIfThere,
  saveSecrets,
  serverPaths,
  writeAtomic,
  type ClusterSecrets,
} from '../files.js';
import { acceptMember, fetchBootstrap, joinMembers, newMemberId } from '../join.js';
import { fatal, warn } from '../log.js';
import { caHash, issue } from '../pki.js';
import { HttpsPeers, servePeers } from '../raft/peer-server.js';
import { Raft } from '../raft/raft.js';
import { RaftStorage } from '../raft/storage.js';
import type { Member } from '../raft/types.js';
import type { Store } from '../store.js';
import { criticalOf } from '../critical-args.js';
import { formatToken, parseToken } from '../token.js';
import { tuning } from '../version.js';
import { givenToken } from './reset.js';

export interface Identity {
  readonly secrets: ClusterSecrets;
  /** The members to join through; undefined for a first or restarted server. */
  readonly join: readonly Member[] | undefined;
  readonly first: boolean;
}

/** New cluster, joined cluster, or this data directory's own. */
export const identify = async (options: ServerOptions): Promise<Identity> => {
  const token = givenToken(options);
  const known = loadSecrets(options.dataDir);
  // Whether it is the right one is for the datastore to say: it may have been rotated on another server.
  const withToken = (secrets: ClusterSecrets): ClusterSecrets =>
    token === undefined ? secrets : { ...secrets, secret: parseToken(token).password };
  if (known !== undefined && readIfThere(serverPaths(options.dataDir).member) !== undefined) {
    return { secrets: withToken(known), join: undefined, first: false };
  }
  const begun = joiningOf(options);
  if (known !== undefined && begun?.cluster === caHash(known.serverCa.cert) && hasLog(options))
    return { secrets: withToken(known), join: begun.via, first: false };
  if (options.server === undefined || options.clusterInit) {
    const secrets = known ?? (await createSecrets(token === undefined ? undefined : parseToken(token).password));
    return { secrets, join: undefined, first: true };
  }
  if (token === undefined) return fatal('starting kubernetes: preparing server: token is required to join a cluster');
  const { secrets, members } = await fetchBootstrap(options.server.replace(/\/$/, ''), token, criticalOf(options));
  return { secrets, join: members, first: false };
};

/** k3s asks whether etcd has a write-ahead log: then it is started from that, and nobody is asked. */
const hasLog = (options: ServerOptions): boolean =>
  ['log.jsonl', 'snapshot.json'].some((name) => existsSync(join(serverPaths(options.dataDir).db, name)));

export const memberOf = (options: ServerOptions): Member => {
  const path = serverPaths(options.dataDir).member;
  const known = readIfThere(path);
  const peerUrl = httpsUrl(options.nodeIps[0]!, tuning.peerPort);
  const member =
    known === undefined ? { id: newMemberId(), name: options.nodeName, peerUrl } : (JSON.parse(known) as Member);
  if (member.peerUrl !== peerUrl)
    warn(
      `etcd member ${member.name} was ${member.peerUrl}, node-ip now says ${peerUrl}: membership keeps the old address`,
    );
  return member;
};

interface Joining {
  /** The cluster's CA: what was taken from another one is of no use. */
  readonly cluster: string;
  readonly member: Member;
  readonly via: readonly Member[];
}

const joiningOf = (options: ServerOptions): Joining | undefined => {
  const text = readIfThere(serverPaths(options.dataDir).joining);
  return text === undefined ? undefined : (JSON.parse(text) as Joining);
};

/**
 * Who joins keeps its name (k3s: server/db/etcd/name) and has the cluster's secrets before its etcd starts: killed after the
 * others made it a voter it is that voter when it comes back, though they have no quorum to tell it anything without it.
 */
const beginJoin = (options: ServerOptions, secrets: ClusterSecrets, via: readonly Member[]): Member => {
  const paths = serverPaths(options.dataDir);
  const cluster = caHash(secrets.serverCa.cert);
  const begun = joiningOf(options);
  if (begun?.cluster !== cluster) rmSync(paths.db, { recursive: true, force: true });
  const member = begun?.cluster === cluster ? begun.member : memberOf(options);
  saveSecrets(options.dataDir, secrets, formatToken(cluster, secrets.secret));
  writeAtomic(paths.joining, JSON.stringify({ cluster, member, via } satisfies Joining));
  return member;
};

export const startRaft = async (options: ServerOptions, identity: Identity, store: Store, etcd: boolean) => {
  const { secrets } = identity;
  const paths = serverPaths(options.dataDir);
  const member = identity.join === undefined ? memberOf(options) : beginJoin(options, secrets, identity.join);
  if (identity.join === undefined) writeAtomic(paths.member, JSON.stringify(member));
  const tls = await issue(secrets.peerCa, {
    commonName: 'etcd-peer',
    ips: [options.nodeIps[0]!, '127.0.0.1', '::1'],
    dns: ['localhost', options.nodeName],
    usage: 'peer',
  });
  const peers = new HttpsPeers(tls, secrets.peerCa.cert, Math.max(500, tuning.electionMs / 2));
  const raft = new Raft(member, new RaftStorage(paths.db), store, peers, tuning.electionMs);
  if (etcd) {
    const at = { host: options.nodeIps[0]!, port: tuning.peerPort };
    await servePeers(
      tls,
      secrets.peerCa.cert,
      at,
      () => raft,
      (joining) => acceptMember(raft, peers, joining),
    );
  }
  if (identity.join === undefined) raft.bootstrap();
  else {
    await joinMembers(raft, peers, identity.join);
    writeAtomic(paths.member, JSON.stringify(member));
    rmSync(paths.joining);
  }
  return raft;
};
