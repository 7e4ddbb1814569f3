import { join } from 'node:path';
import type { DockerSpec } from '#proto';

export interface DockerPaths {
  readonly root: string;
  /** Written by the agent; dockerd is started with it. */
  readonly config: string;
  /** The operator's own daemon.json: its keys are taken over. */
  readonly operators: string;
  readonly key: string;
  readonly certificate: string;
  readonly clientCa: string;
  readonly socket: string;
}

/** Where Docker keeps its files, under a root that is `/` in life. */
export const dockerPaths = (root: string): DockerPaths => {
  const own = join(root, 'etc/docker/drover');
  return {
    root,
    config: join(own, 'daemon.json'),
    operators: join(root, 'etc/docker/daemon.json'),
    key: join(own, 'key.pem'),
    certificate: join(own, 'cert.pem'),
    clientCa: join(own, 'client-ca.pem'),
    socket: join(root, 'var/run/docker.sock'),
  };
};

export const socketOf = (spec: DockerSpec, paths: DockerPaths): string =>
  spec.socket_path === undefined ? paths.socket : join(paths.root, spec.socket_path);

const parsed = (text: string | undefined): Record<string, unknown> => {
  if (text === undefined || text.trim() === '') return {};
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
};

/**
 * The operator's keys, the module's over them, and over all the ones that decide who may speak to the daemon: its own socket,
 * and mutual TLS on the overlay address, nothing else.
 */
export const daemonConfig = (spec: DockerSpec, paths: DockerPaths, operators: string | undefined): string => {
  const elsewhere =
    paths.root === '/'
      ? {}
      : {
          'data-root': join(paths.root, 'var/lib/docker'),
          'exec-root': join(paths.root, 'var/run/docker'),
          pidfile: join(paths.root, 'var/run/docker.pid'),
        };
  const config = {
    'live-restore': true,
    ...elsewhere,
    ...parsed(operators),
    ...spec.daemon_options,
    hosts: [`unix://${socketOf(spec, paths)}`, `tcp://[${spec.address}]:${spec.port}`],
    tls: true,
    tlsverify: true,
    tlscacert: paths.clientCa,
    tlscert: paths.certificate,
    tlskey: paths.key,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
};
