import { rmSync } from 'node:fs';
import type { ServerOptions } from '../cli/options.js';
import {
  createSecrets,
  httpsUrl,
  loadSecrets,
  readIfThere,
  serverPaths,
  writeAtomic,
  type ClusterSecrets,
} from '../files.js';
import { acceptMember, fetchBootstrap, joinMembers, newMemberId } from '../join.js';
import { fatal, warn } from '../log.js';
import { issue } from '../pki.js';
import { HttpsPeers, servePeers } from '../raft/peer-server.js';
import { Raft } from '../raft/raft.js';
import { RaftStorage } from '../raft/storage.js';
import type { Member } from '../raft/types.js';
import type { Store } from '../store.js';
import { criticalOf } from '../critical-args.js';
import { parseToken } from '../token.js';
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
  if (known !== undefined && readIfThere(serverPaths(options.dataDir).member) !== undefined) {
    // Whether it is the right one is for the datastore to say: it may have been rotated on another server.
    const secrets = token === undefined ? known : { ...known, secret: parseToken(token).password };
    return { secrets, join: undefined, first: false };
  }
  if (options.server === undefined || options.clusterInit) {
    const secrets = known ?? (await createSecrets(token === undefined ? undefined : parseToken(token).password));
    return { secrets, join: undefined, first: true };
  }
  if (token === undefined) return fatal('starting kubernetes: preparing server: token is required to join a cluster');
  const { secrets, members } = await fetchBootstrap(options.server.replace(/\/$/, ''), token, criticalOf(options));
  return { secrets, join: members, first: false };
};

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

export const startRaft = async (options: ServerOptions, identity: Identity, store: Store, etcd: boolean) => {
  const { secrets } = identity;
  const paths = serverPaths(options.dataDir);
  const member = memberOf(options);
  if (identity.join !== undefined)
    rmSync(paths.db, { recursive: true, force: true }); // an unfinished join starts over
  else writeAtomic(paths.member, JSON.stringify(member));
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
  if (identity.join !== undefined) await joinMembers(raft, peers, identity.join);
  else raft.bootstrap();
  if (identity.join !== undefined) writeAtomic(paths.member, JSON.stringify(member));
  return raft;
};
