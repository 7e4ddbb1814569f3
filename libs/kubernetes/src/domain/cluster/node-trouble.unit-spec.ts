import { saysMore } from './node-trouble.js';
import { noQuorum } from '../quorum.js';
import type { ClusterNode } from './state.js';

const node = (lastError: string | null, status: ClusterNode['status'] = 'not_ready'): ClusterNode => ({
  ...{ role: 'agent', status, version: null, nodeName: 'w1', lastError },
});
const SILENT = 'no sign of life for 3000 ms';
const FULL = 'K3s runs, but the disk of /var/lib is full (0 of 9 MiB free)';

const DEAD = 'the disk of /var/lib is full (0 of 9 MiB free); k3s does not run';

it('tells what an agent that is there again says, instead of its silence', () => {
  expect(saysMore(node(SILENT), 'k3s-agent does not run')).toBe(true);
  expect(saysMore(node(SILENT), 'no sign of life for 9000 ms')).toBe(false);
  expect(saysMore(node('k3s-agent does not run'), 'the API server answers 500')).toBe(false);
});

it('tells of a full disk once, however full', () => {
  expect(saysMore(node('500 '), FULL)).toBe(true);
  expect(saysMore(node(FULL), FULL.replace('(0', '(1'))).toBe(false);
  expect(saysMore(node(DEAD), DEAD.replace('(0', '(1'))).toBe(false);
});

it('tells once that a K3s has died that ran on its full disk, and no longer counts it as a member that answers', () => {
  expect(saysMore(node(FULL), DEAD)).toBe(true);
  expect(saysMore(node(FULL), SILENT)).toBe(true);
  // The way back is no news: a K3s that starts and dies on it again and again is told once.
  expect(saysMore(node(DEAD), FULL)).toBe(false);
  expect(saysMore(node(FULL), undefined)).toBe(false);
  const members = (text: string) => new Map(['s1', 's2'].map((id) => [id, { ...node(text), role: 'server' as const }]));
  expect(noQuorum({ datastore: 'etcd', nodes: members(FULL) })).toBeUndefined();
  expect(noQuorum({ datastore: 'etcd', nodes: members(DEAD) })).toMatchObject({ answering: 0 });
});

it('neither takes back what Kubernetes says nor lets it speak for a machine that is silent', () => {
  expect(saysMore(node('Kubernetes: Ready is False'), FULL)).toBe(false);
  expect(saysMore(node(SILENT), 'Kubernetes: Ready is Unknown')).toBe(false);
  expect(saysMore(node(null, 'ready'), FULL)).toBe(false);
  expect(saysMore(node(SILENT), undefined)).toBe(false);
});

it('tells of a drained machine that it is silent, and of nothing else that goes with working on it', () => {
  expect(saysMore(node(null, 'draining'), SILENT)).toBe(true);
  expect(saysMore(node(null, 'draining'), 'k3s-agent does not run')).toBe(false);
  expect(saysMore(node(null, 'draining'), 'Kubernetes: Ready is Unknown')).toBe(false);
  expect(saysMore(node(null, 'draining'), undefined)).toBe(false);
});
