import { randomBytes } from 'node:crypto';
import { Client } from './client.js';
import type { CriticalArgs } from './critical-args.js';
import type { ClusterSecrets } from './files.js';
import { info, messageOf, sleep } from './log.js';
import { caHash } from './pki.js';
import { HttpsPeers } from './raft/peer-server.js';
import type { Raft } from './raft/raft.js';
import { NoLeaderError, type Member } from './raft/types.js';
import { authorizationOf, parseToken, type ParsedToken } from './token.js';

/** Trust on first use, bounded by the token: the CA that the server shows must have the hash the token names. */
export const fetchCa = async (server: string, token: ParsedToken): Promise<string> => {
  const insecure = new Client([server], { insecure: true });
  const { status, body } = await insecure.call('GET', '/cacerts');
  if (status !== 200) throw new Error(`failed to get CA certs: ${server}/cacerts: ${status}`);
  if (token.caHash !== undefined && token.caHash !== caHash(body))
    throw new Error(`token CA hash does not match the Cluster CA certificate hash: ${token.caHash} != ${caHash(body)}`);
  return body;
};

/** As ParseAndValidateToken: the CA, and that the token is accepted at all. */
export const validated = async (
  server: string,
  tokenText: string,
  username: string,
): Promise<{ ca: string; client: Client }> => {
  const token = parseToken(tokenText);
  const ca = await fetchCa(server, token);
  return { ca, client: new Client([server], { ca }, { authorization: authorizationOf(token, username) }) };
};

export interface Bootstrap {
  readonly secrets: ClusterSecrets;
  readonly members: readonly Member[];
}

/** A server that joins must be told what the others were told; one that is a member already is not asked (compareConfig). */
const compareConfig = async (server: string, token: string, own: CriticalArgs): Promise<void> => {
  const { client } = await validated(server, token, 'node');
  const theirs = await client.json<CriticalArgs>('GET', '/v1-k3s/config');
  for (const key of Object.keys(own) as (keyof CriticalArgs)[])
    if (theirs[key] !== own[key])
      throw new Error('failed to validate server configuration: critical configuration value mismatch');
};

/** What a joining server needs; retried while the other server is not up, given up when it says no. */
export const fetchBootstrap = async (server: string, token: string, own: CriticalArgs): Promise<Bootstrap> => {
  await untilReachable(() => compareConfig(server, token, own), server);
  for (;;) {
    const { client } = await untilReachable(() => validated(server, token, 'server'), server);
    const answer = await untilReachable(() => client.call('GET', '/v1-k3s/server-bootstrap'), server);
    if (answer.status === 200) return JSON.parse(answer.body) as Bootstrap;
    if (answer.status < 500)
      throw new Error(
        `failed to bootstrap cluster data: ${server}/v1-k3s/server-bootstrap: ${answer.status} ${answer.status === 401 ? 'Unauthorized' : answer.body.trim()}`,
      );
    await sleep(500);
  }
};

const untilReachable = async <T>(attempt: () => Promise<T>, server: string): Promise<T> => {
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      const { code } = cause as { code?: string };
      if (
        !['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EPIPE'].includes(code ?? '') &&
        !/deadline/.test(messageOf(cause))
      )
        throw cause;
      info(`Waiting for server ${server}: ${messageOf(cause)}`);
      await sleep(1_000);
    }
  }
};

/** The joining side: asks one member after the other until it is a voter. */
export const joinMembers = async (raft: Raft, peers: HttpsPeers, members: readonly Member[]): Promise<void> => {
  for (let attempt = 0; !raft.isMember; attempt++) {
    const via = members[attempt % members.length]!;
    try {
      await peers.call(via.peerUrl, 'join', raft.self, 4_000);
    } catch (cause) {
      if (/duplicate node name/.test(messageOf(cause))) throw cause;
      info(`Waiting to join etcd through ${via.name}: ${messageOf(cause)}`);
    }
    await sleep(200);
  }
};

/** The members' side: learner first, voter once it has the log; one change at a time. */
export const acceptMember = async (raft: Raft, peers: HttpsPeers, joining: Member): Promise<{ joined: boolean }> => {
  if (!raft.isLeader) {
    const { leader } = raft;
    if (leader === undefined || leader.id === raft.self.id) throw new NoLeaderError('etcdserver: no leader');
    return peers.call(leader.peerUrl, 'join', joining, 3_000);
  }
  const { members } = raft;
  if (members.some((member) => member.id === joining.id)) return { joined: true };
  if (members.some((member) => member.name === joining.name))
    throw new Error('duplicate node name found, please use a unique name for this node');
  if (!raft.addLearner(joining).caughtUp || raft.changingMembers) return { joined: false };
  info(`Promoting learner ${joining.name}`);
  await raft.changeMembers([...members, joining]);
  return { joined: true };
};

export const newMemberId = (): string => randomBytes(8).toString('hex');
