import { clusterProblem } from './cluster-problem.js';
import type { ClusterNode } from './cluster/state.js';

const node = (name: string, role: 'server' | 'agent', status: ClusterNode['status']): [string, ClusterNode] => [
  name,
  { role, status, version: null, nodeName: name },
];
const problem = (...nodes: [string, ClusterNode][]) => clusterProblem({ datastore: 'etcd', nodes: new Map(nodes) });

describe('what makes a cluster degraded', () => {
  it('is nothing while its servers are ready, whatever joins or is drained', () => {
    expect(problem(node('s1', 'server', 'ready'))).toBeUndefined();
    const more = [node('s2', 'server', 'joining'), node('s3', 'server', 'draining'), node('w', 'agent', 'joining')];
    expect(problem(node('s1', 'server', 'ready'), ...more)).toBeUndefined();
  });

  it('is a server that is away, with its name and what is left of the fault tolerance', () => {
    const two = [node('s1', 'server', 'ready'), node('s2', 'server', 'ready')];
    expect(problem(...two, node('s3', 'server', 'not_ready'))).toBe(
      '1 of 3 servers is not ready (s3); fault_tolerance is 0',
    );
    expect(problem(...two, node('s3', 'server', 'orphaned'))).toMatch(/^1 of 3 servers is not ready \(s3\)/);
    expect(problem(node('s1', 'server', 'not_ready'))).toMatch(/^no server is ready \(s1\)/);
    expect(problem(node('w', 'agent', 'ready'))).toMatch(/no server left/);
  });

  it('is no single worker, but all of them', () => {
    const [server, w1] = [node('s1', 'server', 'ready'), node('w1', 'agent', 'not_ready')];
    expect(problem(server, w1, node('w2', 'agent', 'ready'))).toBeUndefined();
    expect(problem(server, w1, node('w2', 'agent', 'not_ready'))).toBe('2 of 2 workers are not ready');
  });
});
