import type { V1Node } from '@kubernetes/client-node';
import { sleep, type Clock, type Timers } from '#kernel';
import type { KubeApi } from './kube-api.js';

const POLL_MS = 500;
export const ETCD_ROLE_LABEL = 'node-role.kubernetes.io/etcd';
/** K3s removes a node's etcd member when the first says `true`, and then names the member in the second. */
export const REMOVE_ANNOTATION = 'etcd.k3s.cattle.io/remove';
export const REMOVED_ANNOTATION = 'etcd.k3s.cattle.io/removed-node-name';

export interface Left {
  readonly etcdMember: 'removed' | 'none' | 'still_there';
  readonly nodeObject: 'deleted' | 'absent';
  readonly nodePassword: 'deleted' | 'absent';
}

/** Undefined when the API server has no such thing. Throws whatever else it says. */
export const found = async <T>(ask: Promise<T>): Promise<T | undefined> => {
  try {
    return await ask;
  } catch (error) {
    if ((error as { code?: number }).code === 404) return undefined;
    throw error;
  }
};

/**
 * Takes a node out of its cluster: its etcd member first, while there is a quorum to decide that, then its Node object, then the
 * password that keeps its name from another machine. Safe to repeat at any point. Throws when the API does not answer.
 */
export const leaveCluster = async (
  api: KubeApi,
  nodeName: string,
  options: { readonly boundMs: number; readonly clock: Clock; readonly timers: Timers },
): Promise<Left> => {
  const node = await found(api.core.readNode({ name: nodeName }));
  const etcdMember = node === undefined ? 'none' : await removeMember(api, nodeName, node, options);
  // Without the member gone the Node stays: K3s finds the member by the Node's annotations, and nobody else does.
  if (etcdMember === 'still_there') return { etcdMember, nodeObject: 'absent', nodePassword: 'absent' };
  const deleted = node === undefined ? undefined : await found(api.core.deleteNode({ name: nodeName }));
  return {
    etcdMember,
    nodeObject: deleted === undefined ? 'absent' : 'deleted',
    nodePassword: await deleteNodePassword(api, nodeName),
  };
};

const removeMember = async (
  api: KubeApi,
  name: string,
  node: V1Node,
  { boundMs, clock, timers }: { readonly boundMs: number; readonly clock: Clock; readonly timers: Timers },
): Promise<Left['etcdMember']> => {
  if (node.metadata?.labels?.[ETCD_ROLE_LABEL] === undefined) return 'none';
  if (isRemoved(node)) return 'removed';
  await annotate(api, name, { [REMOVE_ANNOTATION]: 'true' });
  const deadline = clock.monotonicMs() + boundMs;
  for (;;) {
    const now = await found(api.core.readNode({ name }));
    if (now === undefined || isRemoved(now)) return 'removed';
    if (clock.monotonicMs() >= deadline) return 'still_there';
    await sleep(timers, POLL_MS);
  }
};

const isRemoved = (node: V1Node): boolean =>
  node.metadata?.annotations?.[REMOVE_ANNOTATION] === 'true' &&
  (node.metadata.annotations[REMOVED_ANNOTATION] ?? '') !== '';

export const annotate = async (
  api: KubeApi,
  node: string,
  annotations: Readonly<Record<string, string | null>>,
): Promise<void> => {
  const { PatchStrategy, setHeaderOptions } = await import('@kubernetes/client-node');
  await api.core.patchNode(
    { name: node, body: { metadata: { annotations } } },
    setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
  );
};

/** K3s keeps a hash of each node's password; a machine that was installed anew has another one and would be refused. */
export const deleteNodePassword = async (api: KubeApi, nodeName: string): Promise<'deleted' | 'absent'> => {
  const secret = { name: `${nodeName}.node-password.k3s`, namespace: 'kube-system' };
  return (await found(api.core.deleteNamespacedSecret(secret))) === undefined ? 'absent' : 'deleted';
};
