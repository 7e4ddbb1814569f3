import type { DockerSpec } from '#proto';
import { daemonConfig, dockerPaths } from './daemon-config.js';
import { newKeyPem, requestPem } from './certificate.js';

const spec: DockerSpec = {
  assignment_id: 'a',
  state: 'run',
  reason: '',
  node_name: 'w1',
  address: 'fd00::1',
  port: 2376,
  binary: 'dockerd',
  daemon_options: { 'storage-driver': 'vfs', tlsverify: false, hosts: ['tcp://0.0.0.0:2375'] },
};
const parsed = (root: string, operators?: string) =>
  JSON.parse(daemonConfig(spec, dockerPaths(root), operators)) as Record<string, unknown>;

it('listens on its own socket and on the overlay with mutual TLS, whatever else it is told', () => {
  const config = parsed('/', JSON.stringify({ 'log-driver': 'journald', hosts: ['tcp://[::]:2375'], tls: false }));
  expect(config).toMatchObject({
    hosts: ['unix:///var/run/docker.sock', 'tcp://[fd00::1]:2376'],
    tls: true,
    tlsverify: true,
    tlskey: '/etc/docker/drover/key.pem',
    tlscacert: '/etc/docker/drover/client-ca.pem',
    'log-driver': 'journald',
    'storage-driver': 'vfs',
  });
  expect(config).not.toHaveProperty('data-root');
});

it('keeps everything under its root elsewhere, and takes an operator’s file only if it is JSON', () => {
  expect(parsed('/srv/x')).toMatchObject({ 'data-root': '/srv/x/var/lib/docker' });
  expect(() => parsed('/', '{broken')).toThrow();
});

it('asks for a certificate with a key of its own', () => {
  const key = newKeyPem();
  expect(key).toContain('BEGIN PRIVATE KEY');
  expect(requestPem(key, 'w1')).toMatch(
    /^-----BEGIN CERTIFICATE REQUEST-----\n[\s\S]+-----END CERTIFICATE REQUEST-----\n$/,
  );
});
