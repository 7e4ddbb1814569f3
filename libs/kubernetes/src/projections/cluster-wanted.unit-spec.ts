import type { RecordedEvent } from '#event-store';
import { clusterWantedAfter, noCluster } from './cluster-wanted.js';
import { clustersProjection } from './clusters.js';

const after = (...types: readonly string[]) => {
  const { generation, observed } = types.reduce((w, type) => clusterWantedAfter(w, { type }), noCluster);
  return [generation, observed];
};
const CLAIMED = 'system.cluster.claimed';
const BOOTSTRAPPED = 'system.k3s.cluster.bootstrapped';
const ROLLOUT = 'system.k3s.rollout.started';
const FINISHED = 'system.k3s.rollout.finished';
const MOVES = 'system.k3s.pod_network.migration_started';
const MOVED = 'system.k3s.pod_network.migration_completed';

describe('the generation of a cluster', () => {
  it('is observed once the cluster stands', () => {
    expect(after(CLAIMED)).toEqual([1, null]);
    expect(after(CLAIMED, 'system.cluster.claim_moved')).toEqual([1, null]);
    expect(after(CLAIMED, BOOTSTRAPPED)).toEqual([1, 1]);
  });

  it('is behind while a rollout or a move of the pod network goes on, whichever ends first', () => {
    const stands = [CLAIMED, BOOTSTRAPPED];
    expect(after(...stands, ROLLOUT)).toEqual([2, 1]);
    expect(after(...stands, ROLLOUT, 'system.k3s.rollout.paused')).toEqual([2, 1]);
    expect(after(...stands, ROLLOUT, FINISHED)).toEqual([2, 2]);
    expect(after(...stands, ROLLOUT, MOVES, MOVED)).toEqual([3, 1]);
    expect(after(...stands, ROLLOUT, MOVES, FINISHED)).toEqual([3, 2]);
    expect(after(...stands, ROLLOUT, MOVES, FINISHED, MOVED)).toEqual([3, 3]);
  });

  it('is not behind any more when the cluster is taken out of service', () => {
    expect(after(CLAIMED, BOOTSTRAPPED, ROLLOUT, 'system.k3s.cluster.decommissioned')).toEqual([2, 2]);
  });

  it('counts rollouts, which stand in a stream of their own, and nothing else that merely names the cluster', () => {
    const of = (type: string, stream: string) =>
      ({ type, stream, data: { cluster_id: 'cluster-1' } }) as unknown as RecordedEvent;
    expect(clustersProjection.keys(of(ROLLOUT, 'cluster_rollout-1'))).toEqual(['cluster-1']);
    expect(clustersProjection.keys(of('system.k3s.rollout.paused', 'cluster_rollout-1'))).toEqual([]);
    expect(clustersProjection.keys(of('system.sdwan.virtual_ip.allocated', 'virtual_ip-1'))).toEqual([]);
  });
});
