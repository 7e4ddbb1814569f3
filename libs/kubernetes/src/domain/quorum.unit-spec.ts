import type { ClusterNode } from './cluster/state.js';
import { leavingBefore, quorumAfterForgetting, quorumAfterLeaving, quorumOf } from './quorum.js';

const server = (status: ClusterNode['status']): ClusterNode => ({
  role: 'server',
  status,
  version: null,
  nodeName: null,
});
const cluster = (...states: ClusterNode['status'][]) => ({
  name: 'c',
  datastore: 'etcd' as const,
  nodes: new Map(states.map((status, i) => [`s${i}`, server(status)])),
});

describe('leaving a cluster', () => {
  it('needs a majority of the members that stay', () => {
    expect([1, 2, 3, 4, 5].map(quorumOf)).toEqual([1, 2, 2, 3, 3]);
  });

  it('is refused to a server whose going would leave dead members in the majority, and the dead are named', () => {
    expect(quorumAfterLeaving(cluster('ready', 'ready', 'ready'), 's0')).toBeUndefined();
    expect(quorumAfterLeaving(cluster('ready', 'ready', 'not_ready'), 's0')).toMatchObject({
      code: 'quorum_at_risk',
      candidates: [{ id: 's2' }],
    });
    expect(quorumAfterLeaving(cluster('ready', 'ready', 'not_ready'), 's2')).toBeUndefined();
    expect(quorumAfterLeaving(cluster('ready', 'not_ready'), 's0')).toMatchObject({ status: 409 });
  });

  it('counts an orphan among the dead: nothing is behind it', () => {
    expect(quorumAfterLeaving(cluster('ready', 'ready', 'orphaned'), 's0')).toMatchObject({
      code: 'quorum_at_risk',
      candidates: [{ id: 's2' }],
    });
    expect(quorumAfterLeaving(cluster('ready', 'ready', 'orphaned'), 's2')).toBeUndefined();
  });

  it('asks for no majority where the datastore is somebody else’s, but for one server that answers', () => {
    const external = (...states: ClusterNode['status'][]) => ({
      ...cluster(...states),
      datastore: 'external' as const,
    });
    expect(quorumAfterLeaving(external('ready', 'ready', 'not_ready'), 's0')).toBeUndefined();
    expect(quorumAfterLeaving(external('ready', 'not_ready'), 's0')).toMatchObject({ status: 409 });
  });

  it('is never refused to a worker, to the last server, or for a server that has not joined yet', () => {
    expect(quorumAfterLeaving(cluster('ready'), 's0')).toBeUndefined();
    expect(quorumAfterLeaving(cluster('ready', 'joining'), 's0')).toBeUndefined();
    expect(quorumAfterLeaving(cluster('not_ready', 'not_ready', 'joining'), 's2')).toBeUndefined();
    const worker = { ...cluster(), nodes: new Map([['w', { ...server('ready'), role: 'agent' as const }]]) };
    expect(quorumAfterLeaving(worker, 'w')).toBeUndefined();
  });
});

describe('two servers whose end is accepted', () => {
  const leaving = new Set(['s0', 's1']);
  const judged = (who: string, ...states: ClusterNode['status'][]) =>
    quorumAfterLeaving(cluster(...states), who, leavingBefore(who, leaving))?.code;

  it('do not wait for each other when another one dies: the first may go, and the second when it can be spared', () => {
    expect([
      judged('s0', 'ready', 'ready', 'ready', 'ready'),
      judged('s1', 'ready', 'ready', 'ready', 'ready'),
    ]).toEqual([undefined, undefined]);
    const died = ['ready', 'ready', 'ready', 'not_ready'] as const;
    expect([judged('s0', ...died), judged('s1', ...died)]).toEqual([undefined, 'quorum_at_risk']);
  });

  it('are both counted as gone for one that asks after them', () => {
    expect(judged('s2', 'ready', 'ready', 'ready', 'ready', 'not_ready')).toBe('quorum_at_risk');
  });
});

describe('giving a server up', () => {
  it('is refused while etcd has no quorum to remove its member with, as leaving is, and those that are away are named', () => {
    const lost = cluster('not_ready', 'not_ready', 'not_ready');
    const refused = quorumAfterForgetting(lost, 's1');
    const candidates = ['s0', 's1', 's2'].map((id) => ({ id }));
    expect(refused).toMatchObject({ status: 409, code: 'quorum_at_risk', field: 'id', candidates });
    expect(refused?.hint).toMatch(/kubernetes_restore_snapshot.*or set force/);
    expect(refused).toEqual(quorumAfterLeaving(lost, 's1'));
  });

  it('is not refused of a dead one where there is a quorum, also of those that a restore has left behind', () => {
    expect(quorumAfterForgetting(cluster('ready', 'ready', 'not_ready'), 's2')).toBeUndefined();
    expect(quorumAfterForgetting(cluster('ready', 'ready', 'ready', 'not_ready', 'not_ready'), 's4')).toBeUndefined();
    expect(quorumAfterForgetting(cluster('ready', 'not_ready', 'not_ready'), 's2')).toBeUndefined();
    expect(quorumAfterForgetting(cluster('ready', 'ready', 'orphaned'), 's2')).toBeUndefined();
  });

  it('of one that lives is refused as its leaving is', () => {
    expect(quorumAfterForgetting(cluster('ready', 'ready', 'not_ready'), 's0')).toMatchObject({
      code: 'quorum_at_risk',
      candidates: [{ id: 's2' }],
    });
    expect(quorumAfterForgetting(cluster('ready', 'ready', 'ready'), 's0')).toBeUndefined();
  });

  it('is never refused of a worker, of the only server, of one that has not joined, nor with a database elsewhere', () => {
    expect(quorumAfterForgetting(cluster('not_ready'), 's0')).toBeUndefined();
    expect(quorumAfterForgetting(cluster('not_ready', 'not_ready', 'joining'), 's2')).toBeUndefined();
    const external = { ...cluster('not_ready', 'not_ready'), datastore: 'external' as const };
    expect(quorumAfterForgetting(external, 's0')).toBeUndefined();
    const worker = { ...cluster(), nodes: new Map([['w', { ...server('not_ready'), role: 'agent' as const }]]) };
    expect(quorumAfterForgetting(worker, 'w')).toBeUndefined();
  });
});
