import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoordinationV1Api, CoreV1Api, KubeConfig, PolicyV1Api } from '@kubernetes/client-node';
import { eventually, type K3sMachine, type Target } from './check.js';

const decode = (value: string | undefined) => (value === undefined ? undefined : Buffer.from(value, 'base64'));

const rawOf = (config: KubeConfig): Target['raw'] => {
  const server = config.getCurrentCluster()!.server;
  const ca = decode(config.getCurrentCluster()!.caData);
  const insecure = config.getCurrentCluster()!.skipTLSVerify;
  const admin = config.getCurrentUser()!;
  return (method, path, { user = 'admin', body, accept } = {}) =>
    new Promise((resolve, reject) => {
      const tls = user === 'admin' ? { cert: decode(admin.certData), key: decode(admin.keyData) } : {};
      const bearer = user === 'admin' && admin.token !== undefined ? { authorization: `Bearer ${admin.token}` } : {};
      const headers = {
        ...bearer,
        ...(typeof user === 'object' ? user : {}),
        ...(accept === undefined ? {} : { accept }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const options = { method, headers, ca, rejectUnauthorized: !insecure, agent: false as const, ...tls };
      const sent = request(new URL(path, server), options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      });
      sent.setTimeout(30_000, () => sent.destroy(new Error(`${path}: no answer within 30 s`)));
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
};

const targetOf = async (name: string, kind: Target['kind'], config: KubeConfig, k3s?: K3sMachine): Promise<Target> => {
  const core = config.makeApiClient(CoreV1Api);
  const namespace = `conformance-${process.pid}`;
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  return {
    ...{ name, kind, config, core, namespace, raw: rawOf(config) },
    policy: config.makeApiClient(PolicyV1Api),
    coordination: config.makeApiClient(CoordinationV1Api),
    ...(k3s === undefined ? {} : { k3s }),
  };
};

/** A plain kube-apiserver that runs somewhere: DROVER_APISERVER_URL, with the credentials of KUBECONFIG. */
export const apiServerTarget = async (url: string, kubeconfig: string): Promise<Target> => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  config.clusters = config.clusters.map((cluster) => ({ ...cluster, server: url }));
  const target = await targetOf(`kube-apiserver at ${url}`, 'kube-apiserver', config);
  const { core } = target;
  await core.createNamespace({ body: { metadata: { name: 'kube-system' } } }).catch(() => undefined);
  return target;
};

class Machine implements K3sMachine {
  readonly nodeName = 'conformance';
  private child: ChildProcess | undefined;
  private flags: readonly string[] = [];

  constructor(
    readonly bin: string,
    readonly dataDir: string,
    readonly kubeconfig: string,
    private readonly logFile: string,
  ) {}

  token(): string {
    return readFileSync(join(this.dataDir, 'server/token'), 'utf8').trim();
  }

  run(...argv: string[]) {
    const { status, stdout, stderr } = spawnSync(this.bin, argv, { encoding: 'utf8', timeout: 180_000 });
    return { code: status, output: `${stdout}${stderr}` };
  }

  async start(...flags: string[]): Promise<void> {
    if (flags.length > 0) this.flags = flags;
    const own = ['--data-dir', this.dataDir, '--write-kubeconfig', this.kubeconfig, '--node-name', this.nodeName];
    const log = openSync(this.logFile, 'a');
    this.child = spawn(this.bin, ['server', ...own, ...this.flags], { stdio: ['ignore', log, log] });
    const { child } = this;
    await eventually(
      'k3s answers /readyz',
      async () => {
        if (child.exitCode !== null) throw new Error(`k3s ended: ${readFileSync(this.logFile, 'utf8').slice(-1_000)}`);
        if (!existsSync(this.kubeconfig)) return false;
        const config = new KubeConfig();
        config.loadFromFile(this.kubeconfig);
        const answer = await rawOf(config)('GET', '/readyz').catch(() => undefined);
        return answer?.status === 200;
      },
      180_000,
    );
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(late);
  }
}

/** A K3s server of our own, on this network namespace. */
export const k3sTarget = async (bin: string, name: string): Promise<{ target: Target; end: () => Promise<void> }> => {
  const dir = mkdtempSync(join(tmpdir(), 'drover-conformance-'));
  const machine = new Machine(bin, join(dir, 'data'), join(dir, 'k3s.yaml'), join(dir, 'k3s.log'));
  const end = async () => {
    await machine.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await machine.start('--cluster-init', '--node-ip', '10.99.0.1', '--disable', 'traefik,servicelb,metrics-server');
    const config = new KubeConfig();
    config.loadFromFile(machine.kubeconfig);
    return { target: await targetOf(name, 'k3s', config, machine), end };
  } catch (error) {
    await end();
    throw error;
  }
};
