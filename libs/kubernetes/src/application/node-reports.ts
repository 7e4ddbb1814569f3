import { Injectable } from '@nestjs/common';
import { artifactOf } from '#fleet';
import type { AgentIdentity, AgentObserver } from '#agent-gateway';
import type { agentV1 } from '#proto';
import { KubernetesDirectory } from './directory.js';
import { VersionDirectory } from './upgrade/version-directory.js';

/** What a node says of itself beside its health; null: it did not say, or not to this process. */
export interface NodeReport {
  readonly certificatesEndMs: number | null;
  readonly binaryDigest: string | null;
  /** What the catalogue says it runs; null: whatever is on the node. */
  readonly wantedDigest: string | null;
}

/** The last word of each node, kept where its agent is connected: it is said anew every ten seconds and is no event. */
@Injectable()
export class NodeReports implements AgentObserver {
  private readonly said = new Map<string, Pick<NodeReport, 'certificatesEndMs' | 'binaryDigest'>>();

  constructor(
    private readonly directory: KubernetesDirectory,
    private readonly versions: VersionDirectory,
  ) {}

  onRuntimeHealth({ instanceId }: AgentIdentity, health: agentV1.RuntimeHealth): void {
    const { certificatesEndMs = null, binaryDigest } = health;
    const digest = binaryDigest !== undefined && /^[0-9a-f]{64}$/.test(binaryDigest) ? binaryDigest : null;
    const isTime = certificatesEndMs !== null && Math.abs(certificatesEndMs) < 8.64e15;
    if (this.directory.clusterOfMember(instanceId) !== undefined)
      this.said.set(instanceId, { certificatesEndMs: isTime ? certificatesEndMs : null, binaryDigest: digest });
  }

  of(instanceId: string): NodeReport {
    const said = this.said.get(instanceId) ?? { certificatesEndMs: null, binaryDigest: null };
    return { ...said, wantedDigest: this.wanted(instanceId) };
  }

  private wanted(instanceId: string): string | null {
    const instance = this.directory.instances.get(instanceId);
    const module = [...(instance?.modules.values() ?? [])].find(({ name }) => artifactOf(name) === 'k3s');
    if (instance === undefined || module === undefined) return null;
    return this.versions.versionOf(instance, module, this.directory.clusterOfMember(instanceId))?.sha256 ?? null;
  }
}
