import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Files } from '../ports.js';
import type { K3sPaths } from './paths.js';

/** What K3s serves and authenticates with; its authorities live ten years and are none of this. */
const LEAVES = [
  'server/tls/serving-kube-apiserver.crt',
  'server/tls/client-admin.crt',
  'server/tls/client-kube-apiserver.crt',
  'server/tls/client-controller.crt',
  'server/tls/client-scheduler.crt',
  'server/tls/etcd/server-client.crt',
  'server/tls/etcd/peer-server-client.crt',
  'agent/client-kubelet.crt',
  'agent/serving-kubelet.crt',
  'agent/client-kube-proxy.crt',
  'agent/client-k3s-controller.crt',
];

const endOf = (pem: string): number | undefined => {
  try {
    const end = Date.parse(new X509Certificate(pem).validTo);
    return Number.isNaN(end) ? undefined : end;
  } catch {
    // Half written, or no certificate at all: K3s itself will say what it thinks of it.
    return undefined;
  }
};

/** When the first of this node's K3s certificates ends; undefined while there are none. */
export const certificatesEndMs = async (files: Files, paths: K3sPaths): Promise<number | undefined> => {
  const ends: number[] = [];
  for (const leaf of LEAVES) {
    const pem = (await files.read(join(paths.dataDir, leaf)))?.toString('utf8');
    const end = pem === undefined ? undefined : endOf(pem);
    if (end !== undefined) ends.push(end);
  }
  return ends.length === 0 ? undefined : Math.min(...ends);
};
