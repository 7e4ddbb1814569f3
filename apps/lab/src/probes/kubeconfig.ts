import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: Record<string, string> }[];
  readonly users: readonly { readonly user: Record<string, string> }[];
}

const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');

/** The server of a kubeconfig with one cluster, and what a client needs to be let in. */
export const readKubeconfig = (file: string) => {
  const config = parse(readFileSync(file, 'utf8')) as Kubeconfig;
  const { cluster } = config.clusters[0]!;
  const { user } = config.users[0]!;
  const tls = {
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  };
  return { server: cluster['server']!, tls };
};
