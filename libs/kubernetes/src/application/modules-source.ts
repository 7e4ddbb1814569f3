import type { RecordedEvent } from '#event-store';
import type { DesiredStateSource } from '#agent-gateway';
import { moduleItem, type K3sAgentSpec, type K3sServerSpec, type ModuleItem } from '#proto';
import { argsFor } from '../domain/cni.js';
import type { Cluster, NodeRole } from '../domain/cluster/state.js';
import { adoptDirectory } from './adopt-directory.js';
import type { AssignedModule, KnownInstance, KnownPeer, KubernetesDirectory } from './directory.js';
import { binaryOf, rotationOf, VersionDirectory } from './upgrade/version-directory.js';
import { targetCluster, targetOf } from './targets.js';

type K3sBinary = K3sServerSpec['binary'];

export const MODULES_SECTION = 'modules';

/** The `modules` section of every node: what runs there and, for K3s, exactly how. */
export class ModulesSource implements DesiredStateSource {
  readonly name = 'modules';
  /** Sees every folded event with the instances that it touched. */
  watch: ((event: RecordedEvent, touched: Iterable<string>) => void) | undefined;

  constructor(
    private readonly directory: KubernetesDirectory,
    /** Where K3s comes from when the module's config does not say; undefined: already on the node. */
    private readonly defaultK3sPath: string | undefined,
    private readonly versions = new VersionDirectory(directory),
  ) {}

  apply(event: RecordedEvent): Iterable<string> {
    const changed = this.directory.apply(event);
    const touched = new Set([...changed, ...this.versions.apply(event)]);
    this.watch?.(event, touched);
    return touched;
  }

  adopt(other: ModulesSource): void {
    adoptDirectory(this.directory, other.directory);
    this.versions.adopt(other.versions);
  }

  compile(instanceId: string): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    const instance = this.directory.instances.get(instanceId);
    if (instance === undefined) return new Map();
    const items = [...instance.modules.values()]
      .sort((a, b) => a.name.localeCompare(b.name) || a.assignmentId.localeCompare(b.assignmentId))
      .map((module): [string, ModuleItem] => [`module/${module.name}`, this.item(instance, module)]);
    return new Map([[MODULES_SECTION, new Map(items.map(([key, item]) => [key, moduleItem.parse(item)]))]]);
  }

  private item(instance: KnownInstance, module: AssignedModule): ModuleItem {
    return {
      name: module.name,
      assignment_id: module.assignmentId,
      priority: module.priority,
      config: { ...module.config },
      runtime:
        module.name === 'k3s-server'
          ? this.server(instance, module)
          : module.name === 'k3s-agent'
            ? this.agent(instance, module)
            : null,
    };
  }

  private common(
    instance: KnownInstance,
    module: AssignedModule,
    peer: KnownPeer | undefined,
    cluster: Cluster | undefined,
  ) {
    return {
      assignment_id: module.assignmentId,
      cluster_id: cluster?.id ?? null,
      node_name: instance.name,
      node_ips: peer === undefined ? [] : [peer.addressV6, peer.addressV4],
      binary: this.binary(instance, module, cluster),
      ...rotationOf(this.versions, instance.id, cluster?.id),
    };
  }

  /** A version of the catalogue, else what the module's config names, else the default. */
  private binary(instance: KnownInstance, module: AssignedModule, cluster: Cluster | undefined): K3sBinary {
    const version = this.versions.versionOf(instance, module, cluster);
    if (version !== undefined) return binaryOf(version);
    const text = (field: string) => (typeof module.config[field] === 'string' ? module.config[field] : undefined);
    const [url, sha256] = [text('binary_url'), text('binary_sha256')];
    if (url !== undefined) return { url, ...(sha256 === undefined ? {} : { sha256 }) };
    const path = text('binary_path') ?? this.defaultK3sPath;
    return path === undefined ? {} : { path };
  }

  private server(instance: KnownInstance, module: AssignedModule): K3sServerSpec {
    const { cluster, refused } = this.clusterFor(instance, module);
    const peer = this.directory.peerOf(instance.id, cluster?.networkId);
    return {
      kind: 'k3s_server',
      ...this.common(instance, module, peer, cluster),
      ...this.serverWait(instance, module, cluster, refused),
      role: cluster?.claimant === instance.id ? 'init' : 'join',
      tls_san: [cluster?.vip, peer?.addressV6, peer?.addressV4].filter((san) => san !== undefined && san !== null),
      api_endpoint: cluster?.vip == null ? null : `https://[${cluster.vip}]:6443`,
      bootstrapped: cluster !== undefined && cluster.kubeconfigDigest !== null,
      member: cluster?.nodes.has(instance.id) === true,
      datastore: cluster?.datastore ?? 'etcd',
      datastore_version: cluster?.datastoreRef ?? '',
      args: this.args(cluster, instance.id, 'server'),
    };
  }

  private clusterFor(instance: KnownInstance, module: AssignedModule) {
    const target = targetCluster(this.directory, instance, module);
    const cluster = target.ok && target.id !== undefined ? this.directory.clusters.get(target.id) : undefined;
    return { cluster, refused: !target.ok };
  }

  private serverWait(
    instance: KnownInstance,
    module: AssignedModule,
    cluster: Cluster | undefined,
    refused: boolean,
  ): { state: 'run' | 'wait' | 'stop'; reason: string } {
    if (this.directory.suspended.has(module.assignmentId)) return { state: 'stop', reason: 'assignment suspended' };
    if (this.directory.peerOf(instance.id) === undefined) return { state: 'wait', reason: 'no SDWAN peer yet' };
    // It asks to join then, and is told what is wrong with its target, which is an event.
    if (refused) return { state: 'run', reason: '' };
    if (cluster === undefined) return { state: 'wait', reason: 'the cluster has not been claimed yet' };
    const mustHavePeer = cluster.claimant === instance.id || targetOf(module) === null;
    if (mustHavePeer && this.directory.peerOf(instance.id, cluster.networkId) === undefined)
      return { state: 'wait', reason: 'no SDWAN peer on the cluster network yet' };
    return { state: 'run', reason: '' };
  }

  private agent(instance: KnownInstance, module: AssignedModule): K3sAgentSpec {
    const { cluster } = this.clusterFor(instance, module);
    const peer = this.directory.peerOf(instance.id, cluster?.networkId);
    const stopped = this.directory.suspended.has(module.assignmentId);
    const waits = this.directory.peerOf(instance.id) === undefined;
    return {
      kind: 'k3s_agent',
      ...this.common(instance, module, peer, cluster),
      state: stopped ? 'stop' : waits ? 'wait' : 'run',
      reason: stopped ? 'assignment suspended' : waits ? 'no SDWAN peer yet' : '',
      target_cluster_id: targetOf(module),
      args: this.args(cluster, instance.id, 'agent'),
    };
  }

  /** While a migration of the pod network goes on, a node has the old arguments until its turn comes. */
  private args(cluster: Cluster | undefined, instanceId: string, role: NodeRole): string[] {
    if (cluster === undefined) return [];
    const network = cluster.networkId === null ? undefined : this.directory.networks.get(cluster.networkId);
    return [...argsFor(cluster, instanceId, role, network)];
  }
}
