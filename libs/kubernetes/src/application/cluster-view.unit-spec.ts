import type { V1Node } from '@kubernetes/client-node';
import { BLINK_MS, ClusterView, JOIN_MS } from './cluster-view.js';
import { NODE_GONE, problemOf } from './node-conditions.js';

const node = (name: string, status: 'True' | 'False' | 'Unknown', reason = 'KubeletNotReady'): V1Node => ({
  metadata: { name },
  status: { conditions: [{ type: 'Ready', status, reason, message: 'm' }] },
});

describe('what Kubernetes says of a node', () => {
  it('is its Ready condition, with the reason', () => {
    expect(problemOf(node('n', 'True'))).toBeUndefined();
    expect(problemOf(node('n', 'Unknown', 'NodeStatusUnknown'))).toBe('Ready is Unknown (NodeStatusUnknown: m)');
    expect(problemOf({ metadata: { name: 'n' } })).toBe('kubelet has not reported its status');
  });
});

describe('a view of a cluster', () => {
  let now = 0;
  let view: ClusterView;
  beforeEach(() => {
    now = 1_000;
    view = new ClusterView(() => now);
  });

  it('says nothing before it has seen everything', () => {
    view.changed(node('n', 'True'));
    expect(view.verdict('n')).toEqual({ kind: 'unknown' });
    view.listed([node('n', 'True')]);
    expect(view.verdict('n')).toEqual({ kind: 'ready' });
  });

  it('overlooks a blink of a node that was ready, and nothing longer', () => {
    view.listed([node('n', 'True')]);
    view.changed(node('n', 'False'));
    now += BLINK_MS - 1;
    expect(view.verdict('n')).toEqual({ kind: 'unknown' });
    view.changed(node('n', 'Unknown', 'NodeStatusUnknown'));
    now += 1;
    expect(view.verdict('n')).toEqual({ kind: 'problem', why: 'Ready is Unknown (NodeStatusUnknown: m)' });
    view.changed(node('n', 'True'));
    expect(view.verdict('n')).toEqual({ kind: 'ready' });
  });

  it('gives a node that has just joined its time', () => {
    view.listed([]);
    expect(view.verdict('new')).toEqual({ kind: 'unknown' });
    now += BLINK_MS;
    view.changed(node('new', 'False'));
    expect(view.verdict('new')).toEqual({ kind: 'unknown' });
    now += JOIN_MS - BLINK_MS;
    expect(view.verdict('new')).toMatchObject({ kind: 'problem' });
  });

  it('notices a Node that was deleted, also while the watch was away', () => {
    view.listed([node('a', 'True'), node('b', 'True')]);
    view.deleted('a');
    view.listed([]);
    now += BLINK_MS;
    expect(view.verdict('a')).toEqual({ kind: 'problem', why: NODE_GONE });
    expect(view.verdict('b')).toEqual({ kind: 'problem', why: NODE_GONE });
  });
});
