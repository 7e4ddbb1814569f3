import { arch, cpus, release, totalmem } from 'node:os';
import { toSeconds } from '../api/objects.js';
import { HttpStatusError, type Client } from '../client.js';
import { info, messageOf, sleep, warn } from '../log.js';
import type { KubeObject } from '../store.js';
import { K3S_VERSION, tuning } from '../version.js';

export interface NodeIdentity {
  readonly name: string;
  readonly ips: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
type Pod = KubeObject & {
  spec: { containers: { name: string; image: string }[] };
  status?: { phase?: string; containerStatuses?: unknown[] };
};

/** Registers the node, renews its lease and moves its pods through their phases. It runs no containers. */
export class Kubelet {
  private readonly startedAt = new Map<string, number>();
  private nextIp = 2;
  private registered = false;

  constructor(
    private readonly client: Client,
    private readonly node: NodeIdentity,
  ) {}

  async run(): Promise<void> {
    let leaseAt = 0;
    for (;;) {
      try {
        if (Date.now() >= leaseAt) {
          await this.beat();
          leaseAt = Date.now() + tuning.leaseRenewMs;
        }
        await this.syncPods();
      } catch (cause) {
        warn(`kubelet: ${messageOf(cause)}`);
        await sleep(500);
      }
      await sleep(400);
    }
  }

  private async beat(): Promise<void> {
    await this.renewLease();
    const current = await this.find<KubeObject>(`/api/v1/nodes/${this.node.name}`);
    // A kubelet registers when it starts. Deleted under its feet, the node is gone until it is restarted.
    if (current === undefined && this.registered) return warn(`node "${this.node.name}" not found`);
    if (current === undefined) {
      const created = {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: this.node.name, labels: this.labels(), annotations: this.annotations() },
        spec: {},
      };
      await this.client.json('POST', '/api/v1/nodes', created);
      info(`Successfully registered node ${this.node.name}`);
    }
    const conditions =
      (current?.['status'] as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ?? [];
    if (this.registered && conditions.find((c) => c.type === 'Ready')?.status === 'True') return;
    await this.client.json(
      'PATCH',
      `/api/v1/nodes/${this.node.name}`,
      { metadata: { labels: this.labels(), annotations: this.annotations() } },
      'application/merge-patch+json',
    );
    await this.client.json(
      'PATCH',
      `/api/v1/nodes/${this.node.name}/status`,
      { status: this.status() },
      'application/merge-patch+json',
    );
    this.registered = true;
  }

  private async renewLease(): Promise<void> {
    const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    const spec = {
      holderIdentity: this.node.name,
      leaseDurationSeconds: 40,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    };
    try {
      await this.client.json('PATCH', `${path}/${this.node.name}`, { spec }, 'application/merge-patch+json');
    } catch (cause) {
      if (!(cause instanceof HttpStatusError) || cause.status !== 404) throw cause;
      await this.client.json('POST', path, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: this.node.name },
        spec,
      });
    }
  }

  private async syncPods(): Promise<void> {
    const { items } = await this.client.json<{ items: Pod[] }>(
      'GET',
      `/api/v1/pods?fieldSelector=spec.nodeName=${this.node.name}&resourceVersion=0`,
    );
    for (const pod of items) {
      const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
      if (pod.metadata.deletionTimestamp !== undefined) {
        const body = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
        await this.client.call('DELETE', path, body);
        this.startedAt.delete(pod.metadata.uid!);
        continue;
      }
      const seen = this.startedAt.get(pod.metadata.uid!);
      if (seen === undefined) this.startedAt.set(pod.metadata.uid!, Date.now());
      if (seen === undefined && pod.status?.containerStatuses === undefined) await this.setPod(path, pod, false);
      else if (pod.status?.phase === 'Pending' && Date.now() - (seen ?? 0) >= tuning.podStartMs)
        await this.setPod(path, pod, true);
    }
  }

  private async setPod(path: string, pod: Pod, running: boolean): Promise<void> {
    const now = toSeconds(Date.now());
    const ready = running ? 'True' : 'False';
    const status = {
      phase: running ? 'Running' : 'Pending',
      hostIP: this.node.ips[0],
      ...(running ? { podIP: await this.podIp() } : {}),
      startTime: now,
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: type === 'Initialized' || type === 'PodScheduled' ? 'True' : ready,
        lastTransitionTime: now,
      })),
      containerStatuses: pod.spec.containers.map(({ name, image }) => ({
        name,
        image,
        imageID: '',
        ready: running,
        started: running,
        restartCount: 0,
        state: running ? { running: { startedAt: now } } : { waiting: { reason: 'ContainerCreating' } },
      })),
    };
    await this.client.json('PATCH', `${path}/status`, { status }, 'application/merge-patch+json');
  }

  private async podIp(): Promise<string> {
    const node = await this.find<KubeObject>(`/api/v1/nodes/${this.node.name}`);
    const cidr = (node?.['spec'] as { podCIDR?: string } | undefined)?.podCIDR ?? '10.42.0.0/24';
    return cidr.replace(/\d+\/\d+$/, String(2 + (this.nextIp++ % 250)));
  }

  private async find<T>(path: string): Promise<T | undefined> {
    const answer = await this.client.call('GET', path);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new HttpStatusError(answer.status, `${path}: ${answer.status}`);
    return JSON.parse(answer.body) as T;
  }

  private labels(): Record<string, string> {
    const machine = arch() === 'x64' ? 'amd64' : arch();
    return {
      'beta.kubernetes.io/arch': machine,
      'beta.kubernetes.io/os': 'linux',
      'kubernetes.io/arch': machine,
      'kubernetes.io/hostname': this.node.name,
      'kubernetes.io/os': 'linux',
      'node.kubernetes.io/instance-type': 'k3s',
      ...this.node.labels,
    };
  }

  private annotations(): Record<string, string> {
    return {
      'k3s.io/hostname': this.node.name,
      'k3s.io/internal-ip': this.node.ips.join(','),
      ...this.node.annotations,
    };
  }

  private status(): object {
    const now = toSeconds(Date.now());
    const condition = (type: string, status: string, reason: string) => ({
      type,
      status,
      reason,
      message: reason,
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    });
    const capacity = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '110' };
    return {
      capacity,
      allocatable: capacity,
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID'),
        condition('Ready', 'True', 'KubeletReady'),
      ],
      addresses: [
        ...this.node.ips.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: this.node.name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        kubeletVersion: K3S_VERSION,
        kubeProxyVersion: K3S_VERSION,
        osImage: 'K3s stand-in (runs no containers)',
        kernelVersion: release(),
        containerRuntimeVersion: 'containerd://1.7.21-k3s2',
        architecture: arch() === 'x64' ? 'amd64' : arch(),
        operatingSystem: 'linux',
        machineID: '',
        systemUUID: '',
        bootID: '',
      },
    };
  }
}
