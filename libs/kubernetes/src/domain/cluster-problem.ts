import { faultTolerance, type Cluster } from './cluster/state.js';
import { noQuorum } from './quorum.js';

const many = (n: number, of: number, what: string): string =>
  `${n} of ${of} ${what}${of === 1 ? '' : 's'} ${n === 1 ? 'is' : 'are'} not ready`;

/**
 * What makes a cluster less than it should be; undefined when nothing does. A single worker that is away is that node's own
 * matter; a server that is away is the cluster's, because it costs fault tolerance or the API itself.
 */
export const clusterProblem = (cluster: Pick<Cluster, 'nodes' | 'datastore'>): string | undefined => {
  const members = [...cluster.nodes.values()].filter((node) => node.status !== 'joining');
  const servers = members.filter((node) => node.role === 'server');
  const workers = members.filter((node) => node.role === 'agent');
  const away = servers.filter((node) => node.status === 'not_ready' || node.status === 'orphaned');
  const names = away.flatMap((node) => (node.nodeName === null ? [] : [node.nodeName])).join(', ');
  if (servers.length === 0) return 'it has no server left: its API is gone';
  const quorum = noQuorum(cluster);
  if (quorum !== undefined) return quorum.reason;
  if (away.length === servers.length) return `no server is ready (${names}): its API does not answer`;
  if (away.length > 0)
    return `${many(away.length, servers.length, 'server')} (${names}); fault_tolerance is ${faultTolerance(cluster)}`;
  if (workers.length > 0 && workers.every((node) => node.status === 'not_ready'))
    return many(workers.length, workers.length, 'worker');
  return undefined;
};
