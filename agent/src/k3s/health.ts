import { join } from 'node:path';
import { z } from 'zod';
import { errorMessage } from '#kernel';
import type { AgentPorts } from '../ports.js';
import type { K3sPaths } from './paths.js';

export interface Health {
  readonly ready: boolean;
  readonly detail: string;
  /** Of the API server alone, where that is another matter. */
  readonly apiReady?: boolean;
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

export interface Restarted {
  readonly node: string;
  /** By this machine's clock, which kubelet goes by as well; 0: never. */
  readonly atMs: number;
}

/** A clock that was set back must not hold up a node for ever. */
const LEASE_MATTERS_MS = 600_000;
const leaseSchema = z.object({ spec: z.object({ renewTime: z.string() }) });

/**
 * A node stays Ready for 40 s and more after its kubelet is gone, also when K3s was started anew with a configuration that
 * does not work. What shows the new kubelet is its lease: it is renewed when kubelet starts.
 */
const leaseHealth = async (
  ports: AgentPorts,
  base: string,
  tls: { readonly ca: string; readonly cert: string; readonly key: string },
  { node, atMs }: Restarted,
): Promise<Health> => {
  const age = ports.clock.wallMs() - atMs;
  if (age < 0 || age > LEASE_MATTERS_MS) return { ready: true, detail: 'ok' };
  const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${node}`;
  return attempt(
    () => ports.http.get(`${base}${path}`, tls),
    (body) => {
      const parsed = leaseSchema.safeParse(JSON.parse(body));
      const renewed = parsed.success && Date.parse(parsed.data.spec.renewTime) >= atMs;
      return renewed
        ? { ready: true, detail: 'ok' }
        : { ready: false, detail: 'its kubelet has not shown itself since K3s was started anew' };
    },
  );
};

/** The node's own API server, asked with the admin certificate that K3s wrote. */
export const serverHealth = async (ports: AgentPorts, paths: K3sPaths, restarted: Restarted): Promise<Health> => {
  const kubeconfig = (await ports.files.read(paths.kubeconfig))?.toString('utf8');
  if (kubeconfig === undefined) return { ready: false, detail: 'k3s has not written its kubeconfig yet' };
  const ca = field(kubeconfig, 'certificate-authority-data');
  const cert = field(kubeconfig, 'client-certificate-data');
  const key = field(kubeconfig, 'client-key-data');
  if (ca === undefined || cert === undefined || key === undefined)
    return { ready: false, detail: 'the kubeconfig is not complete yet' };
  const base = 'https://127.0.0.1:6443';
  const health = await attempt(() => ports.http.get(`${base}/readyz`, { ca, cert, key }));
  return health.ready ? leaseHealth(ports, base, { ca, cert, key }, restarted) : health;
};

const nodeSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) }),
});
const serversSchema = z.object({ ServerURL: z.string(), ServerAddresses: z.array(z.string()).nullish() });

/** Whether the cluster knows this node as Ready, asked with kubelet's own certificate at any server that answers. */
export const agentHealth = async (ports: AgentPorts, paths: K3sPaths, restarted: Restarted): Promise<Health> => {
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
    last = await attempt(() => ports.http.get(`${base}/api/v1/nodes/${restarted.node}`, { ca, cert, key }), nodeReady);
    if (last.ready) last = await leaseHealth(ports, base, { ca, cert, key }, restarted);
    if (last.ready) return last;
  }
  return last;
};

const nodeReady = (body: string): Health => {
  const parsed = nodeSchema.safeParse(JSON.parse(body));
  const ready = parsed.success && parsed.data.status.conditions.some((c) => c.type === 'Ready' && c.status === 'True');
  return ready ? { ready, detail: 'ok' } : { ready, detail: 'the node is registered but not Ready' };
};
