import ipaddr from 'ipaddr.js';
import { toSeconds } from '../api/objects.js';
import type { Crud } from '../api/crud.js';
import { keyOf, resourceNamed } from '../api/resources.js';
import { fatal, info, messageOf, warn } from '../log.js';
import type { Datastore } from '../datastore.js';
import type { KubeObject } from '../store.js';
import { tuning } from '../version.js';
import { Workloads } from './workloads.js';

const REMOVE = 'etcd.k3s.cattle.io/remove';
const REMOVED = 'etcd.k3s.cattle.io/removed-node-name';
const NAME = 'etcd.k3s.cattle.io/node-name';
const ADDRESS = 'etcd.k3s.cattle.io/node-address';

const nodes = resourceNamed('nodes');
const pods = resourceNamed('pods');
const leases = resourceNamed('leases');
const everything = (): boolean => true;
const specOf = (o: KubeObject) => (o['spec'] ?? {}) as { nodeName?: string; unschedulable?: boolean; podCIDR?: string };
const conditionsOf = (o: KubeObject) =>
  (o['status'] as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ?? [];
const isReady = (o: KubeObject): boolean => conditionsOf(o).find((c) => c.type === 'Ready')?.status === 'True';

/** The n-th range for a node: a /24 of an IPv4 cluster CIDR, a /64 of an IPv6 one, as kube-controller-manager cuts them. */
export const nodeCidr = (clusterCidr: string, n: number): string => {
  const [address, length] = ipaddr.parseCIDR(clusterCidr);
  const size = address.kind() === 'ipv4' ? 24 : 64;
  if (n >= 2 ** (size - length)) throw new Error(`${clusterCidr} has no range left for node ${n + 1}`);
  const bytes = address.toByteArray();
  for (let at = size / 8 - 1, carry = n; carry > 0; at--, carry = Math.floor(carry / 256)) {
    const sum = bytes[at]! + (carry % 256);
    bytes[at] = sum % 256;
    if (sum > 255) carry += 256;
  }
  return `${ipaddr.fromByteArray(bytes).toString()}/${size}`;
};

/**
 * kube-controller-manager ends, and K3s with it, when a node has a range outside of --cluster-cidr: a node keeps the range
 * that it got (kubernetes pkg/controller/nodeipam/ipam/range_allocator.go; seen in k3s-io/k3s#3967, #2603).
 */
export const strayRange = (clusterCidr: string, node: string, podCidr: string): string | undefined => {
  const [address] = ipaddr.parseCIDR(podCidr);
  const range = ipaddr.parseCIDR(clusterCidr);
  if (address.kind() === range[0].kind() && address.match(range as [ipaddr.IPv4, number] & [ipaddr.IPv6, number]))
    return undefined;
  return `error starting controllers: failed to mark cidr[${podCidr}] at idx [0] as occupied for node: ${node}: cidr ${podCidr} is out the range of cluster cidr ${clusterCidr}`;
};

/** Scheduler, node lifecycle and etcd membership, on whichever server leads. */
export class Controllers {
  private readonly leaseSeen = new Map<string, { version: string; at: number }>();
  private readonly workloads: Workloads;
  private busy = false;
  private allocating = false;

  constructor(
    private readonly crud: Crud,
    private readonly datastore: Datastore,
    /** --cluster-cidr */
    private readonly clusterCidr: string,
  ) {
    this.workloads = new Workloads(crud);
  }

  start(): void {
    setInterval(() => {
      if (!this.datastore.isLeader) this.follow();
      if (!this.datastore.isLeader || this.busy) return;
      this.busy = true;
      this.round()
        .catch((cause: unknown) => warn(`controller: ${messageOf(cause)}`))
        .finally(() => (this.busy = false));
    }, 300);
  }

  /** A new leader starts its own count and looks at all ranges, as a new controller does. */
  private follow(): void {
    this.leaseSeen.clear();
    this.allocating = false;
  }

  private async round(): Promise<void> {
    await this.judgeNodes();
    await this.schedule();
    await this.dropAnnotatedMembers();
    await this.dropDeletedMembers();
    await this.workloads.round();
    this.allocating = true;
  }

  /** The ranges that are there are looked at once, when the allocator starts. */
  private async judgeNodes(): Promise<void> {
    for (const node of this.crud.list(nodes, undefined, everything)) {
      const { name } = node.metadata;
      const { podCIDR } = specOf(node);
      if (podCIDR === undefined) await this.assignCidr(node);
      const stray = podCIDR === undefined || this.allocating ? undefined : strayRange(this.clusterCidr, name, podCIDR);
      if (stray !== undefined) fatal(stray);
      const lease = this.crud.store.get(keyOf(leases, 'kube-node-lease', name))?.object;
      const version = lease?.metadata.resourceVersion ?? '';
      const seen = this.leaseSeen.get(name);
      if (seen?.version !== version) this.leaseSeen.set(name, { version, at: Date.now() });
      else if (Date.now() - seen.at > tuning.nodeGraceMs && isReady(node)) await this.markUnknown(name);
    }
  }

  private async markUnknown(name: string): Promise<void> {
    info(`Node ${name} is unresponsive: NodeStatusUnknown`);
    await this.crud.change({ type: nodes, namespace: undefined, name }, (node) => ({
      ...node,
      status: {
        ...(node['status'] as object),
        conditions: conditionsOf(node).map((c) => ({
          ...c,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: toSeconds(Date.now()),
        })),
      },
    }));
  }

  private async assignCidr(node: KubeObject): Promise<void> {
    const used = this.crud.list(nodes, undefined, everything).map((n) => specOf(n).podCIDR);
    let n = 0;
    while (used.includes(nodeCidr(this.clusterCidr, n))) n++;
    const podCIDR = nodeCidr(this.clusterCidr, n);
    await this.crud.change({ type: nodes, namespace: undefined, name: node.metadata.name }, (n) => ({
      ...n,
      spec: { ...(n['spec'] as object), podCIDR, podCIDRs: [podCIDR] },
    }));
  }

  private async schedule(): Promise<void> {
    const all = this.crud.list(pods, undefined, everything);
    const waiting = all.filter(
      (pod) => (specOf(pod).nodeName ?? '') === '' && pod.metadata.deletionTimestamp === undefined,
    );
    for (const pod of waiting) {
      const usable = this.crud.list(nodes, undefined, (n) => isReady(n) && specOf(n).unschedulable !== true);
      const load = (n: KubeObject): number => all.filter((p) => specOf(p).nodeName === n.metadata.name).length;
      const isWorker = (n: KubeObject): number =>
        Number(n.metadata.labels?.['node-role.kubernetes.io/control-plane'] === 'true');
      const best = usable.sort((a, b) => load(a) - load(b) || isWorker(a) - isWorker(b))[0];
      if (best === undefined) return;
      const target = { type: pods, namespace: pod.metadata.namespace, name: pod.metadata.name };
      await this.crud.change(target, (p) => ({
        ...p,
        spec: { ...(p['spec'] as object), nodeName: best.metadata.name },
      }));
    }
  }

  /** `etcd.k3s.cattle.io/remove` on a node: its member goes, and the node says which one that was. */
  private async dropAnnotatedMembers(): Promise<void> {
    for (const node of this.crud.list(nodes, undefined, everything)) {
      const { annotations = {}, name } = node.metadata;
      if (annotations[REMOVE]?.toLowerCase() !== 'true' || annotations[REMOVED] !== undefined) continue;
      const { members, changingMembers } = this.datastore;
      if (changingMembers || members.length === 0) return;
      const member = members.find((m) => m.name === name);
      if (member !== undefined && members.length === 1) continue;
      await this.crud.change({ type: nodes, namespace: undefined, name }, (n) => {
        const was = n.metadata.annotations?.[NAME];
        const rest = Object.fromEntries(
          Object.entries(n.metadata.annotations ?? {}).filter(([key]) => key !== NAME && key !== ADDRESS),
        );
        const removed = { ...rest, [REMOVED]: was ?? member?.id ?? name };
        return { ...n, metadata: { ...n.metadata, annotations: removed } };
      });
      info(`Removing etcd member ${name} as its node is annotated`);
      if (member !== undefined) await this.datastore.changeMembers(members.filter((m) => m.id !== member.id));
      return;
    }
  }

  /** Deleting a server's node removes it from etcd, as k3s does by the node's finalizer. */
  private async dropDeletedMembers(): Promise<void> {
    const { members } = this.datastore;
    if (this.datastore.changingMembers) return;
    for (const member of members) {
      const known = this.crud.store.get(
        keyOf(resourceNamed('configmaps'), 'kube-system', `k3s-etcd-member-${member.id}`),
      );
      const node = this.crud.store.get(keyOf(nodes, undefined, member.name));
      // The mark is written once the node has registered; before that a missing node is one that is still to come.
      if (known === undefined && node !== undefined) await this.markSeen(member.id);
      if (known === undefined || node !== undefined || members.length === 1) continue;
      info(`Removing etcd member ${member.name} due to node deletion`);
      await this.datastore.changeMembers(members.filter((m) => m.id !== member.id));
      return;
    }
  }

  private async markSeen(id: string): Promise<void> {
    const mark = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `k3s-etcd-member-${id}` } };
    await this.crud.create(resourceNamed('configmaps'), 'kube-system', JSON.stringify(mark));
  }
}
