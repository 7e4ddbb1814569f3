import { saysMore } from './node-trouble.js';
import type { ClusterNode } from './state.js';

const node = (lastError: string | null, status: ClusterNode['status'] = 'not_ready'): ClusterNode => ({
  ...{ role: 'agent', status, version: null, nodeName: 'w1', lastError },
});
const SILENT = 'no sign of life for 3000 ms';
const FULL = 'K3s runs, but the disk of /var/lib is full (0 of 9 MiB free)';

it('tells what an agent that is there again says, instead of its silence', () => {
  expect(saysMore(node(SILENT), 'k3s-agent does not run')).toBe(true);
  expect(saysMore(node(SILENT), 'no sign of life for 9000 ms')).toBe(false);
  expect(saysMore(node('k3s-agent does not run'), 'the API server answers 500')).toBe(false);
});

it('tells of a full disk once, however full', () => {
  expect(saysMore(node('500 '), FULL)).toBe(true);
  expect(saysMore(node(FULL), 'the disk of /var/lib is full (1 of 9 MiB free); 500 ')).toBe(false);
});

it('neither takes back what Kubernetes says nor lets it speak for a machine that is silent', () => {
  expect(saysMore(node('Kubernetes: Ready is False'), FULL)).toBe(false);
  expect(saysMore(node(SILENT), 'Kubernetes: Ready is Unknown')).toBe(false);
  expect(saysMore(node(null, 'ready'), FULL)).toBe(false);
  expect(saysMore(node(SILENT), undefined)).toBe(false);
});
