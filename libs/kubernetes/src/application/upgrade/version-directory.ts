import type { RecordedEvent } from '#event-store';
import {
  artifactOf,
  evolveModuleVersions,
  liveVersion,
  noVersions,
  type ModuleVersion,
  type ModuleVersionEvent,
  type ModuleVersions,
} from '#fleet';
import type { Cluster } from '../../domain/cluster/state.js';
import {
  evolveRollout,
  isKnown,
  noRollout,
  type Rollout,
  type RolloutEvent,
  type RolloutState,
} from '../../domain/upgrade/state.js';
import type { AssignedModule, KnownInstance, KubernetesDirectory } from '../directory.js';

/** What a rollout told one node: the version to run, and how often its certificates and its server token were made anew. */
interface Told {
  /** Of another cluster it says nothing: an assignment makes the next one after a decommission, and nodes change clusters. */
  readonly clusterId: string;
  /** Undefined: what its cluster says. */
  versionId?: string | null | undefined;
  certificates: number;
  serverToken: number;
}

const UNTOLD: Told = { clusterId: '', certificates: 0, serverToken: 0 };

/**
 * Which version of a module each node is to run, folded from the log. A cluster keeps the version that was live (or that its
 * assignment pinned) when it was claimed, until a rollout changes it node by node; a promotion alone changes no running cluster.
 */
export class VersionDirectory {
  private readonly catalogues = new Map<string, ModuleVersions>();
  private readonly base = new Map<string, string | null>();
  private readonly told = new Map<string, Told>();
  private readonly rollouts = new Map<string, RolloutState>();

  constructor(private readonly directory: KubernetesDirectory) {}

  /** Values are never changed in place. */
  adopt(other: VersionDirectory): void {
    for (const [key, catalogue] of other.catalogues) this.catalogues.set(key, catalogue);
    for (const [clusterId, versionId] of other.base) this.base.set(clusterId, versionId);
    for (const [id, told] of other.told) this.told.set(id, told);
    for (const [clusterId, rollout] of other.rollouts) this.rollouts.set(clusterId, rollout);
  }

  /** Folds one event, after the directory has folded it; answers the instances for which something may have changed. */
  apply(event: RecordedEvent): readonly string[] {
    if (event.type.startsWith('system.module.version_')) return this.catalogue(event);
    if (event.type.startsWith('system.k3s.rollout.')) return this.rollout(event);
    if (event.type === 'system.cluster.claimed') return this.claimed(event);
    return [];
  }

  /** The version of the catalogue that this node is to run; undefined where only the module's config or the default says. */
  versionOf(instance: KnownInstance, module: AssignedModule, cluster: Cluster | undefined): ModuleVersion | undefined {
    const artifact = artifactOf(module.name);
    if (artifact === undefined) return undefined;
    const { versions } = this.catalogueOf(instance.accountId, artifact);
    const byId = (id: string | null) => versions.find((v) => v.versionId === id);
    if (artifact !== 'k3s') return this.wished(instance.accountId, artifact, module);
    const told = this.toldIn(instance.id, cluster?.id).versionId;
    if (told !== undefined) return byId(told);
    if (cluster !== undefined) return byId(this.baseOf(cluster.id));
    return undefined;
  }

  generationsOf(instanceId: string, clusterId: string | undefined): Readonly<Told> {
    return this.toldIn(instanceId, clusterId);
  }

  /** Whether no failure of its runtime counts: in the instance's own stream one stays until something is installed. */
  isWellAgain(instanceId: string): boolean {
    return this.directory.instances.get(instanceId)?.problem === null;
  }

  private toldIn(instanceId: string, clusterId: string | undefined): Told {
    const told = this.told.get(instanceId);
    return told === undefined || told.clusterId !== clusterId ? UNTOLD : told;
  }

  baseOf(clusterId: string): string | null {
    return this.base.get(clusterId) ?? null;
  }

  /** The version id that a node runs by what it was told, for the plan of the next rollout. */
  versionIdOf(instanceId: string, clusterId: string): string | null {
    const told = this.toldIn(instanceId, clusterId).versionId;
    return told === undefined ? this.baseOf(clusterId) : told;
  }

  private wished(accountId: string, artifact: string, module: AssignedModule | undefined): ModuleVersion | undefined {
    const catalogue = this.catalogueOf(accountId, artifact);
    const pin = module?.config['version'];
    if (typeof pin !== 'string') return liveVersion(catalogue);
    return catalogue.versions.find((v) => v.version === pin || v.versionId === pin);
  }

  private catalogueOf(accountId: string, artifact: string): ModuleVersions {
    return this.catalogues.get(`${accountId} ${artifact}`) ?? noVersions;
  }

  private catalogue(event: RecordedEvent): readonly string[] {
    const fact = { type: event.type, data: event.data } as unknown as ModuleVersionEvent;
    const { accountId } = event.meta;
    const { artifact } = fact.data;
    this.catalogues.set(`${accountId} ${artifact}`, evolveModuleVersions(this.catalogueOf(accountId, artifact), fact));
    if (artifact === 'k3s') return [];
    // Modules without a rollout follow the live version at once.
    return [...this.directory.instances.values()]
      .filter((i) => i.accountId === accountId && [...i.modules.values()].some((m) => artifactOf(m.name) === artifact))
      .map((i) => i.id);
  }

  private claimed(event: RecordedEvent): readonly string[] {
    const { cluster_id, claimant_instance_id, assignment_id } = event.data as Record<string, string>;
    const module = this.directory.instances.get(claimant_instance_id!)?.modules.get(assignment_id!);
    this.base.set(cluster_id!, this.wished(event.meta.accountId, 'k3s', module)?.versionId ?? null);
    return [claimant_instance_id!];
  }

  private rollout(event: RecordedEvent): readonly string[] {
    const fact = { type: event.type, data: event.data } as unknown as RolloutEvent;
    const clusterId = fact.data.cluster_id;
    const before = this.rollouts.get(clusterId) ?? noRollout;
    const state = evolveRollout(before, fact);
    this.rollouts.set(clusterId, state);
    if (!isKnown(state)) return [];
    if (fact.type === 'system.k3s.rollout.node_progressed' && fact.data.phase === 'changing') {
      const id = fact.data.instance_id;
      const node = state.nodes.find((n) => n.instanceId === id);
      // What failed before is not what this change fails of. On a second try the agent does not say the same again.
      if (isKnown(before) && before.nodes.some((n) => n.instanceId === id && !n.touched))
        this.directory.troubled(id, null);
      this.told.set(
        id,
        this.next(id, state, fact.data.direction === 'back' ? (node?.fromVersionId ?? null) : undefined),
      );
      return [id];
    }
    if (fact.type !== 'system.k3s.rollout.finished' || state.change.kind !== 'upgrade') return [];
    if (fact.data.outcome === 'aborted') return [];
    const { version_id, from_version_id } = state.change;
    this.base.set(clusterId, fact.data.outcome === 'completed' ? version_id : from_version_id);
    if (fact.data.outcome === 'rolled_back') return [];
    return this.members(clusterId);
  }

  /** Every node of the cluster runs its version now, those that were away as well. */
  private members(clusterId: string): readonly string[] {
    const nodes = [...(this.directory.clusters.get(clusterId)?.nodes.keys() ?? [])];
    for (const id of nodes) {
      const told = this.told.get(id);
      if (told?.clusterId === clusterId) this.told.set(id, { ...told, versionId: undefined });
    }
    return nodes;
  }

  private next(instanceId: string, { clusterId, change, run }: Rollout, back?: string | null): Told {
    const told = { ...this.toldIn(instanceId, clusterId), clusterId };
    switch (change.kind) {
      case 'upgrade':
        return { ...told, versionId: back === undefined ? change.version_id : back };
      case 'certificates':
        return { ...told, certificates: run };
      case 'server_token':
        return { ...told, serverToken: run };
    }
  }
}

/** Where an agent gets this version from. */
export const binaryOf = ({ source, sha256, version }: ModuleVersion) => ({
  ...(source.kind === 'path' ? { path: source.path } : source.kind === 'url' ? { url: source.url } : {}),
  ...(sha256 === null ? {} : { sha256 }),
  version,
});

/** Only what was ever asked for: a section must not change because this build knows more than the last one. */
export const rotationOf = (versions: VersionDirectory, instanceId: string, clusterId: string | undefined) => {
  const { certificates, serverToken } = versions.generationsOf(instanceId, clusterId);
  return {
    ...(certificates === 0 ? {} : { certificate_generation: certificates }),
    ...(serverToken === 0 ? {} : { token_generation: serverToken }),
  };
};
