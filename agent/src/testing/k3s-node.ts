import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentV1, type K3sAgentSpec, type K3sServerSpec } from '#proto';
import { systemFiles } from '../adapters/files.js';
import { systemHttp } from '../adapters/http.js';
import type { HttpProbe } from '../ports.js';
import { AgentCase } from './agent-case.js';
import { section } from './fake-platform.js';
import { startAgent, type RunningAgent } from './harness.js';

/** Writes the files that k3s writes, last who it is, and then runs until it is ended. */
export const FAKE_K3S = `#!/bin/sh
case "$1" in --version) echo "k3s version v1.30.5+k3s1 (fake)"; exit 0;; esac
data=$(sed -n 's/^data-dir: "\\(.*\\)"$/\\1/p' "$3"); kube=$(sed -n 's/^write-kubeconfig: "\\(.*\\)"$/\\1/p' "$3")
echo "$1 url=$K3S_URL token=\${K3S_TOKEN:+set}" >> "$(dirname "$0")/runs"
mkdir -p "$data/server/tls" "$data/agent/etc" "\${kube:+$(dirname "$kube")}"
if [ "$1" = server ]; then
  echo K10server > "$data/server/node-token"; echo CA > "$data/server/tls/server-ca.crt"
  printf '    certificate-authority-data: Q0E=\\n    client-certificate-data: Q0E=\\n    client-key-data: Q0E=\\n' > "$kube"
else
  for f in server-ca.crt client-kubelet.crt client-kubelet.key; do echo x > "$data/agent/$f"; done
  echo '{"ServerURL":"https://[fd00::100]:6443","ServerAddresses":[]}' > "$data/agent/etc/k3s-agent-load-balancer.json"
fi
echo $$ > "$(dirname "$0")/up"
exec sleep 300
`;
const NODE = JSON.stringify({ status: { conditions: [{ type: 'Ready', status: 'True' }] } });
const isUp = async (bin: string): Promise<boolean> => {
  const pid = Number((await systemFiles.read(join(bin, 'up')))?.toString());
  return pid > 0 && (await systemFiles.read(`/proc/${pid}/comm`))?.toString().trim() === 'sleep';
};
/** As K3s's API: it answers once that runs; one that was killed before it had written anything would have answered too early. */
const apiOf = (bin: string): HttpProbe => ({
  ...systemHttp,
  get: async (url) => {
    for (let tries = 0; !(await isUp(bin)); tries++) {
      if (tries > 100) throw new Error('connect ECONNREFUSED 127.0.0.1:6443');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const lease = () => JSON.stringify({ spec: { renewTime: new Date().toISOString() } });
    return { status: 200, body: url.includes('/nodes/') ? NODE : url.includes('/leases/') ? lease() : 'ok' };
  },
});
const common = {
  assignment_id: 'assignment-1',
  state: 'run' as const,
  reason: '',
  cluster_id: 'cluster-1',
  node_name: 'k3s-server-1',
  node_ips: ['fd00:abcd:1::1:1', '100.64.0.1'],
  args: ['--flannel-iface=wg-sdwan-abc123', '--disable-network-policy'],
  binary: {},
};
export const server = (more: Partial<K3sServerSpec> = {}): K3sServerSpec => ({
  kind: 'k3s_server',
  ...common,
  role: 'init',
  tls_san: ['fd00:abcd:1::100'],
  api_endpoint: null,
  bootstrapped: false,
  member: true,
  datastore: 'etcd',
  datastore_version: '',
  ...more,
});
export const worker = (more: Partial<K3sAgentSpec> = {}): K3sAgentSpec => ({
  kind: 'k3s_agent',
  ...common,
  node_name: 'k3s-worker-1',
  args: [],
  target_cluster_id: 'cluster-1',
  ...more,
});
export const modules = (generation: number, runtime: K3sServerSpec | K3sAgentSpec) => ({
  $case: 'snapshot' as const,
  value: {
    storeEpoch: 'e1',
    unchanged: [],
    complete: true,
    sections: [
      section('modules', generation, {
        'module/k3s': { name: 'k3s', assignment_id: 'assignment-1', priority: 1, config: {}, runtime },
      }),
    ],
  },
});
export const ack = (fields: Partial<agentV1.PhaseAck>): agentV1.ReportPhaseResponse['result'] => ({
  $case: 'ack',
  value: agentV1.PhaseAck.fromPartial({ clusterId: 'cluster-1', ...fields }),
});

/** An agent on whose node this k3s is installed, new for each test of a describe. */
export class K3sNode {
  private readonly on = new AgentCase();

  constructor() {
    beforeEach(async () => {
      await mkdir(join(this.dir, 'bin'));
      await this.program(FAKE_K3S);
      this.platform.onPhase = () => ack({});
    });
  }

  get platform() {
    return this.on.platform;
  }

  get dir(): string {
    return this.on.stateDir;
  }

  get running(): RunningAgent {
    return this.on.running!;
  }

  readonly start = async (): Promise<void> => {
    this.on.running = await startAgent(this.platform, join(this.dir, 'state'), {
      root: join(this.dir, 'root'),
      k3sBin: join(this.dir, 'bin/k3s'),
      ports: { http: apiOf(join(this.dir, 'bin')) },
    });
  };

  /** Puts another program into k3s's place, or beside it. */
  readonly program = async (text: string, name = 'k3s'): Promise<string> => {
    const path = join(this.dir, 'bin', name);
    await writeFile(path, text);
    await chmod(path, 0o755);
    return path;
  };

  readonly phases = (): string[] => this.platform.phases.map((p) => agentV1.Phase[p.phase].slice('PHASE_'.length));

  readonly runs = async (): Promise<string[]> =>
    ((await systemFiles.read(join(this.dir, 'bin/runs')))?.toString() ?? '').trim().split('\n').filter(Boolean);

  /** A path below the root of the node. */
  readonly root = (path: string): string => join(this.dir, 'root', path);

  readonly config = async (): Promise<string> =>
    String(await systemFiles.read(this.root('etc/rancher/k3s/config.yaml')));

  /** What was there of another cluster. */
  readonly aside = () => systemFiles.read(this.root('var/lib/rancher/k3s.set-aside/server/node-token'));
}
