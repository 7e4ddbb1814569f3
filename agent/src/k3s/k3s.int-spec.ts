import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentV1, type K3sServerSpec, type K3sAgentSpec } from '#proto';
import { systemHttp } from '../adapters/http.js';
import { systemFiles } from '../adapters/files.js';
import type { HttpProbe } from '../ports.js';
import { FakePlatform, section } from '../testing/fake-platform.js';
import { eventually, startAgent, temporaryFolder, type RunningAgent } from '../testing/harness.js';
import { makeTestCa, type TestCa } from '../testing/test-ca.js';

const { Phase } = agentV1;

/** Writes the files that k3s writes, last who it is, and then runs until it is ended. */
const FAKE = `#!/bin/sh
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
const server = (more: Partial<K3sServerSpec> = {}): K3sServerSpec => ({
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
const worker = (more: Partial<K3sAgentSpec> = {}): K3sAgentSpec => ({
  kind: 'k3s_agent',
  ...common,
  node_name: 'k3s-worker-1',
  args: [],
  target_cluster_id: 'cluster-1',
  ...more,
});
const modules = (generation: number, runtime: K3sServerSpec | K3sAgentSpec) => ({
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
const ack = (fields: Partial<agentV1.PhaseAck>): agentV1.ReportPhaseResponse['result'] => ({
  $case: 'ack',
  value: agentV1.PhaseAck.fromPartial({ clusterId: 'cluster-1', ...fields }),
});

describe('k3s on the node', () => {
  let ca: TestCa;
  let platform: FakePlatform;
  let dir: string;
  let running: RunningAgent;
  const start = async () => {
    running = await startAgent(platform, join(dir, 'state'), {
      root: join(dir, 'root'),
      k3sBin: join(dir, 'bin/k3s'),
      ports: { http: apiOf(join(dir, 'bin')) },
    });
  };
  const phases = () => platform.phases.map((p) => Phase[p.phase].slice('PHASE_'.length));
  const runs = async () =>
    ((await systemFiles.read(join(dir, 'bin/runs')))?.toString() ?? '').trim().split('\n').filter(Boolean);
  const root = (path: string) => join(dir, 'root', path);

  beforeAll(async () => {
    ca = await makeTestCa();
  });
  beforeEach(async () => {
    dir = await temporaryFolder();
    await mkdir(join(dir, 'bin'));
    await writeFile(join(dir, 'bin/k3s'), FAKE);
    await chmod(join(dir, 'bin/k3s'), 0o755);
    platform = new FakePlatform(ca);
    await platform.start();
    platform.onPhase = () => ack({});
  });
  afterEach(async () => {
    await running.agent.stop(true);
    platform.stop();
  });

  it('bootstraps the first server: config, start, kubeconfig and tokens, ready', async () => {
    platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'BOOTSTRAP', 'READY']);
    const config = await readFile(root('etc/rancher/k3s/config.yaml'), 'utf8');
    expect(config).toContain('cluster-init: true\n');
    expect(config).toContain('tls-san:\n  - "fd00:abcd:1::100"\n');
    expect(config).toContain('flannel-iface: "wg-sdwan-abc123"\ndisable-network-policy: true\n');
    expect(platform.phases[1]).toMatchObject({
      serverToken: 'K10server',
      caPem: 'CA',
      version: 'v1.30.5+k3s1',
      nodeName: 'k3s-server-1',
    });
    expect(platform.phases[1]?.kubeconfig).toContain('client-key-data');
    await eventually('health', () => platform.of('runtimeHealth').some((h) => h.ready));
  });

  it('does not repeat phases or restart k3s when the agent itself restarts', async () => {
    platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('ready and healthy', () => phases().includes('READY') && platform.of('runtimeHealth').length > 0);
    platform.received.length = 0;
    await running.agent.stop(false);
    await start();
    await eventually('health again', () => platform.of('runtimeHealth').length > 0);
    expect(phases()).toHaveLength(3);
    expect(await runs()).toEqual(['server url= token=']);
  });

  it('waits for a token as told, then joins with it and keeps it in files of mode 0600 only', async () => {
    let asked = 0;
    platform.onPhase = (p) => {
      if (p.phase !== Phase.PHASE_JOIN_REQUEST) return ack({});
      return ++asked < 3
        ? { $case: 'retryAfterMs', value: 50 }
        : ack({ apiEndpoint: 'https://[fd00::100]:6443', agentToken: 's3cret' });
    };
    platform.onHello = (_h, s) => s.write({ message: modules(1, worker()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'JOIN_REQUEST', 'JOIN_REQUEST', 'READY']);
    expect(platform.phases[1]).toMatchObject({ targetClusterId: 'cluster-1' });
    expect(new Set(platform.phases.slice(1, 4).map((p) => p.requestId)).size).toBe(1);
    const dropIn = root('etc/systemd/system/k3s-agent.service.d/override.conf');
    expect(await readFile(dropIn, 'utf8')).toContain('Environment="K3S_TOKEN=s3cret"');
    expect((await stat(dropIn)).mode & 0o777).toBe(0o600);
    expect(await runs()).toEqual(['agent url=https://[fd00::100]:6443 token=set']);
    expect(
      JSON.stringify(platform.received, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v)),
    ).not.toContain('s3cret');
  });

  it('joins anew, with another token and a restart, when it was removed as a worker that joined for too long', async () => {
    let asked = 0;
    platform.onPhase = (p) => {
      if (p.phase === Phase.PHASE_JOIN_REQUEST)
        return ack({ apiEndpoint: 'https://[fd00::100]:6443', agentToken: `K10token${++asked}` });
      if (p.phase !== Phase.PHASE_READY || asked > 1) return ack({});
      const refusal = { code: 'not_joining', message: 'it is not joining', hint: '' };
      return { $case: 'refusal', value: agentV1.PhaseRefusal.fromPartial(refusal) };
    };
    platform.onHello = (_h, s) => s.write({ message: modules(1, worker()) });
    await start();
    await eventually('ready in the end', () => phases().filter((p) => p === 'READY').length > 1);
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'READY', 'JOIN_REQUEST', 'READY']);
    await eventually('its second start', async () => (await runs()).length === 2);
    expect(await readFile(root('etc/systemd/system/k3s-agent.service.d/override.conf'), 'utf8')).toContain('K10token2');
  });

  it('joins as a further server with the VIP and the server token', async () => {
    platform.onPhase = () => ack({ apiEndpoint: 'https://[fd00::100]:6443', serverToken: 'K10srv' });
    platform.onHello = (_h, s) => s.write({ message: modules(1, server({ role: 'join' })) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'READY']);
    const config = await readFile(root('etc/rancher/k3s/config.yaml'), 'utf8');
    expect(config).toContain('server: "https://[fd00::100]:6443"\ntoken: "K10srv"\n');
    expect(config).not.toContain('cluster-init');
  });

  const joining = () =>
    (platform.onPhase = () => ack({ apiEndpoint: 'https://[fd00::100]:6443', serverToken: 'K10srv' }));
  const aside = () => systemFiles.read(root('var/lib/rancher/k3s.set-aside/server/node-token'));

  it('sets aside what it began as the first server when the claim has gone to another, and joins that one', async () => {
    let claimant = true;
    platform.onPhase = (p) =>
      p.phase === Phase.PHASE_BOOTSTRAP && claimant
        ? {
            $case: 'refusal',
            value: { code: 'not_the_claimant', message: '', status: 409, hint: '', field: '', candidates: [] },
          }
        : ack({ apiEndpoint: 'https://[fd00::100]:6443', serverToken: 'K10srv' });
    platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('a refused bootstrap', () => phases().includes('BOOTSTRAP'));
    claimant = false;
    platform.send(modules(2, server({ role: 'join', bootstrapped: true })));
    await eventually('ready', () => phases().includes('READY'));
    expect(String(await aside())).toContain('K10server');
    const config = await readFile(root('etc/rancher/k3s/config.yaml'), 'utf8');
    expect(config).toContain('server: "https://[fd00::100]:6443"');
    expect(config).not.toContain('cluster-init');
  });

  it('joins the cluster that it made when its disk has been lost, whoever else is left', async () => {
    platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    await running.agent.stop(true);
    await systemFiles.removeTree(root('var/lib/rancher/k3s'));
    joining();
    platform.onHello = (_h, s) => s.write({ message: modules(2, server({ bootstrapped: true })) });
    await start();
    await eventually('ready again', () => phases().filter((p) => p === 'READY').length === 2);
    expect(phases().filter((p) => p === 'BOOTSTRAP')).toHaveLength(1);
    expect(await readFile(root('etc/rancher/k3s/config.yaml'), 'utf8')).not.toContain('cluster-init');
  });

  it('does not go on with the data of a cluster that was decommissioned, nor with data it knows nothing of', async () => {
    await systemFiles.write(root('var/lib/rancher/k3s/server/node-token'), 'somebody else');
    platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('the failure', () => phases().includes('FAILED'));
    expect(platform.phases.at(-1)?.error).toMatch(/move them away first/);
    await systemFiles.removeTree(root('var/lib/rancher/k3s'));
    await eventually('ready', () => phases().includes('READY'));
    platform.send(modules(2, server({ state: 'stop', reason: 'decommissioned' })));
    await eventually('stopped', () => phases().includes('STOPPED'));
    expect(await aside()).toBeUndefined();
    platform.send(modules(3, server({ cluster_id: 'cluster-2' })));
    await eventually('a second bootstrap', () => phases().filter((p) => p === 'BOOTSTRAP').length === 2);
    expect(String(await aside())).toContain('K10server');
  });

  it('starts on an external datastore with the token of all, and keeps the endpoint in a file of mode 0600 only', async () => {
    const datastoreEndpoint = 'postgres://k3s:s3cret@[fd00::5]:5432/k3s';
    platform.onPhase = (p) =>
      p.phase === Phase.PHASE_JOIN_REQUEST ? ack({ serverToken: 'shared', datastoreEndpoint }) : ack({});
    platform.onHello = (_h, s) =>
      s.write({ message: modules(1, server({ datastore: 'external', datastore_version: 'v1' })) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'BOOTSTRAP', 'READY']);
    const path = root('etc/rancher/k3s/config.yaml');
    const config = await readFile(path, 'utf8');
    expect(config).toContain(`datastore-endpoint: "${datastoreEndpoint}"\ntoken: "shared"\n`);
    expect(config).not.toMatch(/cluster-init|^server:/m);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(await runs())).not.toContain('s3cret');
    expect(await readFile(join(dir, 'state/phases.json'), 'utf8')).not.toContain('s3cret');
  });

  it('restarts k3s when its configuration changes, stops it when told, and joins anew in its next life', async () => {
    platform.onPhase = () => ack({ apiEndpoint: 'https://[fd00::100]:6443', agentToken: 's3cret' });
    platform.onHello = (_h, s) => s.write({ message: modules(1, worker()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    platform.send(modules(2, worker({ args: ['--node-label=a=b'] })));
    await eventually('a restart', async () => (await runs()).length === 2);
    platform.send(modules(3, worker({ state: 'stop', reason: 'decommissioned' })));
    await eventually('stopped', () => phases().includes('STOPPED'));
    platform.send(modules(4, worker()));
    await eventually('a second join', () => phases().filter((p) => p === 'JOIN_REQUEST').length === 2);
    const joins = platform.phases.filter((p) => p.phase === Phase.PHASE_JOIN_REQUEST).map((p) => p.requestId);
    expect(new Set(joins).size).toBe(2);
  });

  it('tells anew that it is ready when it runs another version, also when that is one it ran before', async () => {
    const other = join(dir, 'bin/k3s-next');
    await writeFile(other, FAKE.replace('v1.30.5', 'v1.31.2'));
    await chmod(other, 0o755);
    const at = (path: string, version: string) => server({ binary: { path, version } });
    platform.onHello = (_h, s) => s.write({ message: modules(1, at(join(dir, 'bin/k3s'), 'v1.30.5+k3s1')) });
    await start();
    const readies = () => platform.phases.filter((p) => p.phase === Phase.PHASE_READY);
    await eventually('ready', () => readies().length === 1);
    platform.send(modules(2, at(other, 'v1.31.2+k3s1')));
    await eventually('ready again', () => readies().length === 2);
    platform.send(modules(3, at(join(dir, 'bin/k3s'), 'v1.30.5+k3s1')));
    await eventually('ready after the rollback', () => readies().length === 3);
    expect(readies().map((p) => p.version)).toEqual(['v1.30.5+k3s1', 'v1.31.2+k3s1', 'v1.30.5+k3s1']);
    expect(new Set(readies().map((p) => p.requestId)).size).toBe(3);
    await eventually('the third start', async () => (await runs()).length === 3);
  });

  it('says why k3s cannot be brought up, goes on trying, and honours a refusal', async () => {
    await writeFile(join(dir, 'bin/k3s'), '#!/bin/sh\necho broken >&2; exit 3\n');
    platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('the failure', () => phases().includes('FAILED'));
    expect(platform.phases.at(-1)?.error).toMatch(/does not run: broken/);
    await writeFile(join(dir, 'bin/k3s'), FAKE);
    platform.onPhase = (p) =>
      p.phase === Phase.PHASE_BOOTSTRAP && phases().filter((x) => x === 'BOOTSTRAP').length === 1
        ? {
            $case: 'refusal',
            value: { code: 'not_now', message: 'wait', status: 422, hint: '', field: '', candidates: [] },
          }
        : ack({});
    await eventually('ready in the end', () => phases().includes('READY'));
  });
});
