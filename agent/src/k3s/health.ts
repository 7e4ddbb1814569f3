import { join } from 'node:path';
import { z } from 'zod';
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

const attempt = async (
  probe: () => Promise<{ status: number; body: string }>,
  judge: (body: string) => Health = () => ({ ready: true, detail: 'ok' }),
): Promise<Health> => {
  try {
    const { status, body } = await probe();
    return status === 200 ? judge(body) : { ready: false, detail: `${status} ${body.trim().slice(0, 200)}` };
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

const nodeSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) }),
});
const serversSchema = z.object({ ServerURL: z.string(), ServerAddresses: z.array(z.string()).nullish() });

/** Whether the cluster knows this node as Ready, asked with kubelet's own certificate at any server that answers. */
export const agentHealth = async (ports: AgentPorts, paths: K3sPaths, nodeName: string): Promise<Health> => {
  const read = async (name: string) => (await ports.files.read(join(paths.dataDir, 'agent', name)))?.toString('utf8');
  const [ca, cert, key, servers] = [
    await read('server-ca.crt'),
    await read('client-kubelet.crt'),
    await read('client-kubelet.key'),
    await read('etc/k3s-agent-load-balancer.json'),
  ];
  if (ca === undefined || cert === undefined || key === undefined || servers === undefined)
    return { ready: false, detail: 'kubelet has no certificate yet' };
  const { ServerURL, ServerAddresses } = serversSchema.parse(JSON.parse(servers));
  let last: Health = { ready: false, detail: 'no server is known' };
  for (const base of [...(ServerAddresses ?? []).map((address) => `https://${address}`), ServerURL]) {
    last = await attempt(() => ports.http.get(`${base}/api/v1/nodes/${nodeName}`, { ca, cert, key }), nodeReady);
    if (last.ready) return last;
  }
  return last;
};

const nodeReady = (body: string): Health => {
  const parsed = nodeSchema.safeParse(JSON.parse(body));
  const ready = parsed.success && parsed.data.status.conditions.some((c) => c.type === 'Ready' && c.status === 'True');
  return ready ? { ready, detail: 'ok' } : { ready, detail: 'the node is registered but not Ready' };
};
