import { refusal, type Refusal } from '#kernel';
import type { Cluster, ClusterNode } from './cluster/state.js';

/** Of so many etcd members these must be alive. */
export const quorumOf = (members: number): number => Math.floor(members / 2) + 1;

/** So many of its servers must be left for the API to be there. */
export const serversNeeded = ({ nodes, datastore }: Pick<Cluster, 'nodes' | 'datastore'>): number =>
  datastore === 'external'
    ? 1
    : quorumOf([...nodes.values()].filter((n) => n.role === 'server' && n.status !== 'joining').length);

/** What is said of a node whose etcd member may well be alive: kubelet's troubles, and whatever its API itself answers. */
const SPEAKS = /^(Kubernetes: |K3s runs, but |its kubelet has not shown itself|\d{3} )/;
/** K3s is one process, kubelet and etcd; but of two members the API could not have written this without both. */
const SILENT = /^Kubernetes: Ready is Unknown/;

const answers = ({ status, lastError }: ClusterNode, members: number): boolean => {
  if (status !== 'not_ready') return status !== 'orphaned';
  return SPEAKS.test(lastError ?? '') && (members === 2 || !SILENT.test(lastError ?? ''));
};

export interface NoQuorum {
  readonly members: number;
  readonly answering: number;
  /** Ids of those that do not answer. */
  readonly away: readonly string[];
  readonly reason: string;
}

/**
 * Why embedded etcd takes no writes; undefined while enough of its members answer, and while any server is ready: its API has
 * just read from etcd, so there is a quorum, of fewer members than the platform counts (after a restore, say). One server alone
 * has nobody to agree with: when it is away, that is what is the matter.
 */
export const noQuorum = ({ nodes, datastore }: Pick<Cluster, 'nodes' | 'datastore'>): NoQuorum | undefined => {
  const members = [...nodes].filter(([, node]) => node.role === 'server' && node.status !== 'joining');
  const away = members.filter(([, node]) => !answers(node, members.length));
  const answering = members.length - away.length;
  if (datastore === 'external' || members.length < 2 || answering >= quorumOf(members.length)) return undefined;
  if (members.some(([, { status }]) => status === 'ready')) return undefined;
  const names = away.map(([id, { nodeName }]) => nodeName ?? id).join(', ');
  const said = `${answering} of ${members.length} members ${answering === 1 ? 'answers' : 'answer'}`;
  return {
    ...{ members: members.length, answering, away: away.map(([id]) => id) },
    reason: `etcd has no quorum: ${said}: ${names} ${away.length === 1 ? 'is' : 'are'} away; bring ${away.length === 1 ? 'it' : 'them'} back or restore from a snapshot`,
  };
};

/** What a node that wants to join hears: tokens and members are written into etcd. */
export const waitsForQuorum = (cluster: Pick<Cluster, 'name' | 'nodes'>, { reason, away }: NoQuorum): Refusal =>
  refusal(503, 'etcd_has_no_quorum', `it waits to join ${cluster.name}: ${reason}`, {
    hint: 'it joins by itself when etcd has its quorum again',
    candidates: away.map((id) => {
      const name = cluster.nodes.get(id)?.nodeName;
      return name == null ? { id } : { id, name };
    }),
  });

/**
 * Why a server must not leave now: etcd takes no member away without a quorum, and with the members that stay, and those of them
 * that are not alive, the cluster would have none. `leaving` are on their way out already. The last server may always go: an
 * outage was announced to who asked for it.
 */
export const quorumAfterLeaving = (
  cluster: Pick<Cluster, 'name' | 'nodes' | 'datastore'>,
  instanceId: string,
  leaving: ReadonlySet<string> = new Set(),
): Refusal | undefined => {
  const node = cluster.nodes.get(instanceId);
  if (node?.role !== 'server') return undefined;
  const members = [...cluster.nodes].filter(
    ([id, n]) => id !== instanceId && n.role === 'server' && n.status !== 'joining',
  );
  // Whoever of them goes first: the dead count as long as they are there.
  const others = members.filter(([id, node]) => isDead(node) || !leaving.has(id));
  const dead = others.filter(([, node]) => isDead(node));
  const alive = others.length - dead.length;
  if (cluster.datastore === 'external') {
    // A database elsewhere asks for no majority of servers.
    if (others.length === 0 || alive > 0) return undefined;
    return atRisk(`no other server of ${cluster.name} is alive: its API would be gone`, dead);
  }
  // It is no member yet: etcd has nothing to take away.
  if (node.status === 'joining') return undefined;
  const now = noQuorum(cluster);
  if (now !== undefined) return unremovable(cluster, now);
  if (others.length === 0 || alive >= quorumOf(others.length)) return undefined;
  const also = members.length - others.length;
  const without =
    also === 0
      ? 'without this server'
      : `without this server and the ${also} that ${also === 1 ? 'is' : 'are'} leaving already`;
  const message = `${without} ${alive} of ${others.length} etcd members of ${cluster.name} would be alive: it would have no quorum`;
  return atRisk(message, dead);
};

/**
 * Who counts as gone already when it is this one's turn. Those whose end is accepted go in the order of their ids: each waits for
 * those before it only, or two that could not both be spared would wait for each other though one of them could be. Who asks
 * anew comes after them all.
 */
export const leavingBefore = (instanceId: string, leaving: ReadonlySet<string>): ReadonlySet<string> =>
  leaving.has(instanceId) ? new Set([...leaving].filter((id) => id < instanceId)) : leaving;

/** Behind an orphan there is nothing that could vote. */
const isDead = ({ status }: ClusterNode): boolean => status === 'not_ready' || status === 'orphaned';

/**
 * Why a server must not be given up now. One that is dead takes nothing along, and the others have the better of it once its
 * member is removed; but that is a write, and without a quorum etcd would go on waiting for one that the platform counts no more.
 * One that lives is as much of a loss as when it leaves.
 */
export const quorumAfterForgetting = (
  cluster: Pick<Cluster, 'name' | 'nodes' | 'datastore'>,
  instanceId: string,
  leaving: ReadonlySet<string> = new Set(),
): Refusal | undefined => {
  const node = cluster.nodes.get(instanceId);
  if (node?.role !== 'server' || node.status === 'joining') return undefined;
  if (!isDead(node)) return quorumAfterLeaving(cluster, instanceId, leaving);
  const now = noQuorum(cluster);
  return now === undefined ? undefined : unremovable(cluster, now);
};

const candidatesOf = (nodes: Iterable<readonly [string, ClusterNode]>) =>
  [...nodes].map(([id, { nodeName }]) => ({ id, ...(nodeName === null ? {} : { name: nodeName }) }));

const atRisk = (message: string, dead: readonly (readonly [string, ClusterNode])[]): Refusal =>
  refusal(409, 'quorum_at_risk', message, {
    field: 'id',
    hint: 'bring back or forget what is not ready first (system_forget_instance), or set force',
    candidates: candidatesOf(dead),
  });

/** Its member would stay: of one more server the platform would know nothing, and etcd would go on waiting for it. */
const unremovable = (cluster: Pick<Cluster, 'name' | 'nodes'>, { reason, away }: NoQuorum): Refusal =>
  refusal(409, 'quorum_at_risk', `no server of ${cluster.name} can leave etcd now: ${reason}`, {
    field: 'id',
    hint: 'bring them back; gone for good: kubernetes_restore_snapshot onto a server that is left, and then let the others go; or set force',
    candidates: candidatesOf([...cluster.nodes].filter(([id]) => away.includes(id))),
  });
