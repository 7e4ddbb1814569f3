import { hostname, networkInterfaces } from 'node:os';
import type { DatastoreOptions } from '../sql/endpoint.js';
import { tuning } from '../version.js';
import { parseFlags, UsageError, type FlagSpecs } from './flags.js';

/** Flags the stand-in acts on, and those of the real one that make no difference to what it imitates. */
const shared: FlagSpecs = {
  config: { kind: 'string', aliases: ['c'] },
  debug: { kind: 'bool' },
  v: { kind: 'string' },
  log: { kind: 'string', aliases: ['l'] },
  token: { kind: 'string', aliases: ['t'], env: ['K3S_TOKEN'] },
  'token-file': { kind: 'string', env: ['K3S_TOKEN_FILE'] },
  server: { kind: 'string', aliases: ['s'], env: ['K3S_URL'] },
  'data-dir': { kind: 'string', aliases: ['d'], env: ['K3S_DATA_DIR'] },
  'node-name': { kind: 'string', env: ['K3S_NODE_NAME'] },
  'with-node-id': { kind: 'bool' },
  'node-ip': { kind: 'list', aliases: ['i'] },
  'node-external-ip': { kind: 'list' },
  'node-label': { kind: 'list' },
  'node-taint': { kind: 'list' },
  'flannel-iface': { kind: 'string' },
  'kubelet-arg': { kind: 'list' },
  'kube-proxy-arg': { kind: 'list' },
  'private-registry': { kind: 'string' },
  'container-runtime-endpoint': { kind: 'string' },
  'pause-image': { kind: 'string' },
  snapshotter: { kind: 'string' },
  'resolv-conf': { kind: 'string' },
  rootless: { kind: 'bool' },
  'protect-kernel-defaults': { kind: 'bool' },
  'prefer-bundled-bin': { kind: 'bool' },
  selinux: { kind: 'bool' },
  'lb-server-port': { kind: 'string' },
  'disable-apiserver-lb': { kind: 'bool' },
};
const serverOnly: FlagSpecs = {
  'cluster-init': { kind: 'bool', env: ['K3S_CLUSTER_INIT'] },
  'cluster-reset': { kind: 'bool', env: ['K3S_CLUSTER_RESET'] },
  'cluster-reset-restore-path': { kind: 'string' },
  'etcd-snapshot-name': { kind: 'string' },
  'etcd-snapshot-dir': { kind: 'string' },
  'etcd-snapshot-retention': { kind: 'string' },
  'etcd-snapshot-schedule-cron': { kind: 'string' },
  'etcd-snapshot-compress': { kind: 'bool' },
  'agent-token': { kind: 'string', env: ['K3S_AGENT_TOKEN'] },
  'tls-san': { kind: 'list' },
  'tls-san-security': { kind: 'bool' },
  'bind-address': { kind: 'string' },
  'https-listen-port': { kind: 'string' },
  'advertise-address': { kind: 'string' },
  'advertise-port': { kind: 'string' },
  'write-kubeconfig': { kind: 'string', aliases: ['o'], env: ['K3S_KUBECONFIG_OUTPUT'] },
  'write-kubeconfig-mode': { kind: 'string', env: ['K3S_KUBECONFIG_MODE'] },
  'cluster-cidr': { kind: 'list' },
  'service-cidr': { kind: 'list' },
  'service-node-port-range': { kind: 'string' },
  'cluster-dns': { kind: 'list' },
  'cluster-domain': { kind: 'string' },
  'flannel-backend': { kind: 'string' },
  'flannel-ipv6-masq': { kind: 'bool' },
  'flannel-external-ip': { kind: 'bool' },
  'egress-selector-mode': { kind: 'string' },
  'datastore-endpoint': { kind: 'string', env: ['K3S_DATASTORE_ENDPOINT'] },
  'datastore-cafile': { kind: 'string', env: ['K3S_DATASTORE_CAFILE'] },
  'datastore-certfile': { kind: 'string', env: ['K3S_DATASTORE_CERTFILE'] },
  'datastore-keyfile': { kind: 'string', env: ['K3S_DATASTORE_KEYFILE'] },
  'etcd-arg': { kind: 'list' },
  'etcd-disable-snapshots': { kind: 'bool' },
  'etcd-expose-metrics': { kind: 'bool' },
  'kube-apiserver-arg': { kind: 'list' },
  'kube-controller-manager-arg': { kind: 'list' },
  'kube-scheduler-arg': { kind: 'list' },
  disable: { kind: 'list' },
  'disable-agent': { kind: 'bool' },
  'disable-network-policy': { kind: 'bool' },
  'disable-kube-proxy': { kind: 'bool' },
  'disable-cloud-controller': { kind: 'bool' },
  'disable-helm-controller': { kind: 'bool' },
  'disable-scheduler': { kind: 'bool' },
  'secrets-encryption': { kind: 'bool' },
  'embedded-registry': { kind: 'bool' },
};

export interface NodeOptions {
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly server: string | undefined;
  readonly dataDir: string;
  readonly nodeName: string;
  readonly nodeIps: readonly string[];
  readonly nodeLabels: readonly string[];
}
export interface ServerOptions extends NodeOptions {
  readonly clusterInit: boolean;
  readonly tlsSans: readonly string[];
  readonly bindAddress: string | undefined;
  readonly port: number;
  readonly kubeconfig: string;
  readonly kubeconfigMode: number;
  readonly clusterCidr: string;
  readonly datastore: DatastoreOptions | undefined;
  readonly flannelBackend: string;
  readonly agent: boolean;
  readonly clusterReset: boolean;
  readonly restorePath: string | undefined;
  readonly snapshotDir: string | undefined;
  readonly snapshotName: string;
  readonly snapshotRetention: number;
}

const firstAddress = (): string => {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const usable = all.filter((a) => !a.internal && !a.address.startsWith('fe80'));
  return (usable.find((a) => a.family === 'IPv4') ?? usable[0])?.address ?? '127.0.0.1';
};

type Values = ReturnType<typeof parseFlags>;
const text = (values: Values, name: string): string | undefined => {
  const value = values[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};
const list = (values: Values, name: string): readonly string[] => (values[name] as readonly string[] | undefined) ?? [];

const nodeOptions = (values: Values): NodeOptions => {
  const ips = list(values, 'node-ip');
  const name = text(values, 'node-name') ?? hostname();
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name.toLowerCase()))
    throw new UsageError(`invalid node name ${JSON.stringify(name)}`);
  return {
    token: text(values, 'token'),
    tokenFile: text(values, 'token-file'),
    server: text(values, 'server'),
    dataDir: text(values, 'data-dir') ?? '/var/lib/rancher/k3s',
    nodeName: name.toLowerCase(),
    nodeIps: ips.length > 0 ? ips : [firstAddress()],
    nodeLabels: list(values, 'node-label'),
  };
};

const datastoreOptions = (values: Values): DatastoreOptions | undefined => {
  const endpoint = text(values, 'datastore-endpoint');
  const file = (name: string) => text(values, `datastore-${name}file`);
  if (endpoint === undefined) return undefined;
  return { endpoint, caFile: file('ca'), certFile: file('cert'), keyFile: file('key') };
};

const configFile = (): string => `${tuning.etcDir}/k3s/config.yaml`;

const isV6 = (address: string): boolean => address.includes(':');

/**
 * k3s-io/k3s pkg/cli/server: the default service-cidr is of the family of the first node-ip; pkg/agent: it must be that of
 * cluster-cidr (seen in k3s-io/k3s#5491). kube-apiserver: so must the address be that is advertised.
 */
const checkFamilies = (values: Values, nodeIps: readonly string[]): void => {
  const pods = list(values, 'cluster-cidr');
  if (pods.length === 0) return;
  const first = nodeIps[0]!;
  const services = list(values, 'service-cidr')[0] ?? (isV6(first) ? 'fd00:43::/112' : '10.43.0.0/16');
  const ranges = `cluster-cidr: [${pods.join(' ')}] and service-cidr: [${services}]`;
  if (isV6(pods[0]!) !== isV6(services))
    throw new Error(`${ranges}, must share the same IP version (IPv4, IPv6 or dual-stack)`);
  const advertised = text(values, 'advertise-address') ?? first;
  if (isV6(services) !== isV6(advertised))
    throw new Error(`service IP family "${services}" must match public address family "${advertised}"`);
};

export const parseServer = (argv: readonly string[], env: NodeJS.ProcessEnv): ServerOptions => {
  const values = parseFlags({ ...shared, ...serverOnly }, argv, env, configFile());
  const port = Number(text(values, 'https-listen-port') ?? '6443');
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UsageError('invalid value for flag -https-listen-port: parse error');
  const node = nodeOptions(values);
  checkFamilies(values, node.nodeIps);
  return {
    ...node,
    clusterInit: values['cluster-init'] === true,
    tlsSans: list(values, 'tls-san'),
    bindAddress: text(values, 'bind-address'),
    port,
    kubeconfig: text(values, 'write-kubeconfig') ?? `${tuning.etcDir}/k3s/k3s.yaml`,
    kubeconfigMode: parseInt(text(values, 'write-kubeconfig-mode') ?? '600', 8),
    clusterCidr: list(values, 'cluster-cidr')[0] ?? '10.42.0.0/16',
    datastore: datastoreOptions(values),
    flannelBackend: text(values, 'flannel-backend') ?? 'vxlan',
    agent: values['disable-agent'] !== true,
    clusterReset: values['cluster-reset'] === true,
    restorePath: text(values, 'cluster-reset-restore-path'),
    snapshotDir: text(values, 'etcd-snapshot-dir'),
    snapshotName: text(values, 'etcd-snapshot-name') ?? 'etcd-snapshot',
    snapshotRetention: Number(text(values, 'etcd-snapshot-retention') ?? '5'),
  };
};

export const parseAgent = (argv: readonly string[], env: NodeJS.ProcessEnv): NodeOptions =>
  nodeOptions(parseFlags(shared, argv, env, configFile()));
