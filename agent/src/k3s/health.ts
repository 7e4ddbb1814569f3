import { errorMessage } from '#kernel';
import type { AgentPorts } from '../ports.js';
import type { K3sPaths } from './paths.js';

export interface Health {
  readonly ready: boolean;
  readonly detail: string;
}

const field = (kubeconfig: string, name: string): string | undefined => {
  const data = new RegExp(`^\\s*${name}: (\\S+)$`, 'm').exec(kubeconfig)?.[1];
  return data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8');
};

const attempt = async (probe: () => Promise<{ status: number; body: string }>): Promise<Health> => {
  try {
    const { status, body } = await probe();
    return status === 200 ? { ready: true, detail: 'ok' } : { ready: false, detail: `${status} ${body.trim().slice(0, 200)}` };
  } catch (error) {
    return { ready: false, detail: errorMessage(error) };
  }
};

/** The node's own API server, asked with the admin certificate that K3s wrote. */
export const serverHealth = async (ports: AgentPorts, paths: K3sPaths): Promise<Health> => {
  const kubeconfig = (await ports.files.read(paths.kubeconfig))?.toString('utf8');
  if (kubeconfig === undefined) return { ready: false, detail: 'k3s has not written its kubeconfig yet' };
  const ca = field(kubeconfig, 'certificate-authority-data');
  const cert = field(kubeconfig, 'client-certificate-data');
  const key = field(kubeconfig, 'client-key-data');
  if (ca === undefined || cert === undefined || key === undefined)
    return { ready: false, detail: 'the kubeconfig is not complete yet' };
  return attempt(() => ports.http.get('https://127.0.0.1:6443/readyz', { ca, cert, key }));
};

/** kubelet's own health endpoint, which it opens once it is registered and synchronised. */
export const agentHealth = (ports: AgentPorts): Promise<Health> =>
  attempt(() => ports.http.get('http://127.0.0.1:10248/healthz'));
