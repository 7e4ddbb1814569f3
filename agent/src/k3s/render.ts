import { sha256Hex } from '#kernel';
import type { K3sAgentSpec, K3sServerSpec } from '#proto';
import type { K3sPaths } from './paths.js';

export type K3sSpec = K3sServerSpec | K3sAgentSpec;

/** What joining needs; the token is a secret and lives in files of mode 0600 only. */
export interface JoinGrant {
  readonly apiEndpoint: string;
  readonly token: string;
  /** An external datastore, which is joined in the place of a server. Holds a password. */
  readonly datastoreEndpoint?: string;
}

type Value = string | boolean | readonly string[];

/** `--key=value`, `--key value` and `--flag` as config.yaml keys; a repeated key becomes a list. */
export const argsToConfig = (args: readonly string[]): Map<string, Value> => {
  const config = new Map<string, Value>();
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!.replace(/^--?/, '');
    const at = word.indexOf('=');
    const key = at < 0 ? word : word.slice(0, at);
    let value: Value = true;
    if (at >= 0) value = word.slice(at + 1);
    else if (args[i + 1] !== undefined && !args[i + 1]!.startsWith('-')) value = args[++i]!;
    const old = config.get(key);
    if (old === undefined || typeof value === 'boolean') config.set(key, value);
    else config.set(key, [...(Array.isArray(old) ? (old as string[]) : [String(old)]), String(value)]);
  }
  return config;
};

/** JSON scalars are YAML scalars, so nothing needs YAML's own quoting rules. */
const yaml = (config: ReadonlyMap<string, Value>): string => {
  const lines: string[] = ['# written by drover-agent'];
  for (const [key, value] of config) {
    if (Array.isArray(value)) lines.push(`${key}:`, ...value.map((entry) => `  - ${JSON.stringify(entry)}`));
    else lines.push(`${key}: ${JSON.stringify(value)}`);
  }
  return `${lines.join('\n')}\n`;
};

/** What K3s itself gives to Services where nodes have IPv4 addresses first. */
const SERVICES_V4 = '10.43.0.0/16';

/**
 * K3s takes the range of its Services from the family of the first node-ip, which is IPv6 here, and then does not start with
 * pods of IPv4 ("cluster-cidr and service-cidr must share the same IP version"); nor does its API server when it is advertised
 * at an address of another family than its Services'. Ranges of IPv6 match what it takes by itself.
 */
const matchFamilies = (config: Map<string, Value>, nodeIps: readonly string[]): void => {
  const pods = config.get('cluster-cidr');
  const v4 = nodeIps.find((ip) => !ip.includes(':'));
  if (typeof pods !== 'string' || pods.includes(':') || v4 === undefined) return;
  if (!config.has('service-cidr')) config.set('service-cidr', SERVICES_V4);
  if (!config.has('advertise-address')) config.set('advertise-address', v4);
};

export const renderConfig = (
  spec: K3sSpec,
  paths: K3sPaths,
  join: JoinGrant | undefined,
  /** In the place of the one that was joined with. */
  token?: string,
): string => {
  const config = new Map<string, Value>();
  config.set('node-name', spec.node_name);
  if (spec.node_ips.length > 0) config.set('node-ip', spec.node_ips);
  config.set('data-dir', paths.dataDir);
  if (spec.kind === 'k3s_server') {
    config.set('write-kubeconfig', paths.kubeconfig);
    config.set('write-kubeconfig-mode', '0600');
    if (spec.tls_san.length > 0) config.set('tls-san', spec.tls_san);
    if (join?.datastoreEndpoint !== undefined) {
      config.set('datastore-endpoint', join.datastoreEndpoint);
      config.set('token', join.token);
    } else if (spec.role === 'init') config.set('cluster-init', true);
    else if (join !== undefined) {
      config.set('server', join.apiEndpoint);
      config.set('token', join.token);
    }
    if (token !== undefined) config.set('token', token);
  }
  for (const [key, value] of argsToConfig(spec.args)) config.set(key, value);
  if (spec.kind === 'k3s_server') matchFamilies(config, spec.node_ips);
  return yaml(config);
};

/** The token of an earlier join, from a config.yaml that this agent wrote. */
export const joinFromConfig = (text: string): JoinGrant | undefined => {
  const server = /^server: (".*")$/m.exec(text)?.[1];
  const token = /^token: (".*")$/m.exec(text)?.[1];
  const datastore = /^datastore-endpoint: (".*")$/m.exec(text)?.[1];
  if (datastore !== undefined && token !== undefined)
    return { apiEndpoint: '', token: JSON.parse(token) as string, datastoreEndpoint: JSON.parse(datastore) as string };
  if (server === undefined || token === undefined) return undefined;
  return { apiEndpoint: JSON.parse(server) as string, token: JSON.parse(token) as string };
};

/** systemd's Environment= syntax; also where a supervised k3s agent gets its environment from after a restart. */
export const renderDropIn = (join: JoinGrant): string =>
  `# written by drover-agent\n[Service]\nEnvironment="K3S_URL=${join.apiEndpoint}"\nEnvironment="K3S_TOKEN=${join.token}"\n`;

export const joinFromDropIn = (text: string): JoinGrant | undefined => {
  const apiEndpoint = /^Environment="K3S_URL=(.*)"$/m.exec(text)?.[1];
  const token = /^Environment="K3S_TOKEN=(.*)"$/m.exec(text)?.[1];
  return apiEndpoint === undefined || token === undefined ? undefined : { apiEndpoint, token };
};

/** Changes when k3s must be restarted with another configuration. */
export const configDigest = (text: string): string => sha256Hex(text).slice(0, 16);
