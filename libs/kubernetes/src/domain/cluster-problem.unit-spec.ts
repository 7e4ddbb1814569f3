import { clusterProblem } from './cluster-problem.js';
import { nodeNext } from './cluster/outlook.js';
import { DEFAULT_POLICY } from './cluster/policy.js';
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

  describe('etcd without a quorum', () => {
    const away = (name: string, lastError: string): [string, ClusterNode] => {
      const [id, known] = node(name, 'server', 'not_ready');
      return [id, { ...known, lastError }];
    };
    const waiting = away('s2', '500 [+]ping ok [+]log ok [-]etcd failed: reason withheld');

    it('is told with who is away, also while a third server waits to join', () => {
      const dead = away('s1', 'no sign of life for 3000 ms');
      const said = 'etcd has no quorum: 1 of 2 members answers: s1 is away; bring it back or restore from a snapshot';
      expect(problem(dead, waiting)).toBe(said);
      expect(problem(dead, waiting, node('s3', 'server', 'joining'))).toBe(said);
      expect(problem(dead, away('s2', 'k3s was stopped'), node('s3', 'server', 'orphaned'))).toMatch(
        /^etcd has no quorum: 0 of 3 members answer: s1, s2, s3 are away; bring them back/,
      );
      const joining = nodeNext('joining', DEFAULT_POLICY, { datastore: 'etcd', nodes: new Map([dead, waiting]) });
      expect(joining).toBe(`waits until etcd has a quorum again, nobody can join before: ${said}`);
    });

    it('is no alarm for one server, while a server is ready, or where only kubelets are in trouble', () => {
      const dead = away('s1', 'no sign of life for 3000 ms');
      expect(problem(dead)).toBe('no server is ready (s1): its API does not answer');
      expect(problem(dead, node('s2', 'server', 'joining'))).toBe('no server is ready (s1): its API does not answer');
      expect(problem(dead, node('s2', 'server', 'ready'))).toMatch(/^1 of 2 servers is not ready/);
      const sick = (name: string) => away(name, 'Kubernetes: Ready is False (KubeletNotReady)');
      expect(problem(sick('s1'), sick('s2'))).toMatch(/^no server is ready/);
      expect(problem(away('s1', '500 starting'), waiting)).toMatch(/^no server is ready/);
      const nodes = new Map([dead, away('s2', 'no sign of life for 9 ms')]);
      expect(clusterProblem({ datastore: 'external', nodes })).toMatch(/^no server is ready/);
    });
  });
});
