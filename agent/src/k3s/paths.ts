import { join } from 'node:path';

export interface K3sPaths {
  /** `/` in life. */
  readonly root: string;
  readonly binary: string;
  /** Programs by digest: `<versions>/<sha256>/k3s`. */
  readonly versions: string;
  readonly config: string;
  readonly dataDir: string;
  readonly kubeconfig: string;
  readonly nodeToken: string;
  readonly agentToken: string;
  readonly serverCa: string;
  readonly dropIn: string;
}

/** Where K3s keeps its files, under a root that is `/` in life. */
export const k3sPaths = (root: string): K3sPaths => {
  const dataDir = join(root, 'var/lib/rancher/k3s');
  return {
    root,
    binary: join(root, 'usr/local/bin/k3s'),
    versions: join(root, 'var/lib/drover-agent/k3s'),
    config: join(root, 'etc/rancher/k3s/config.yaml'),
    dataDir,
    kubeconfig: join(root, 'etc/rancher/k3s/k3s.yaml'),
    nodeToken: join(dataDir, 'server/node-token'),
    agentToken: join(dataDir, 'server/agent-token'),
    serverCa: join(dataDir, 'server/tls/server-ca.crt'),
    dropIn: join(root, 'etc/systemd/system/k3s-agent.service.d/override.conf'),
  };
};
