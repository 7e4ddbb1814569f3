import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '#kernel';
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

type Said = Pick<NodeReport, 'certificatesEndMs' | 'binaryDigest'>;

/** A node says it anew every ten seconds. One that is silent is down, installed anew, or connected to another process by now. */
const FRESH_MS = 60_000;

/** The last word of each node, kept where its agent is connected, for as long as it holds; it is no event. */
@Injectable()
export class NodeReports implements AgentObserver {
  private readonly said = new Map<string, Said & { readonly atMs: number }>();

  constructor(
    private readonly directory: KubernetesDirectory,
    private readonly versions: VersionDirectory,
    @Inject(CLOCK) private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {}

  onRuntimeHealth({ instanceId }: AgentIdentity, health: agentV1.RuntimeHealth): void {
    const { certificatesEndMs = null, binaryDigest } = health;
    const digest = binaryDigest !== undefined && /^[0-9a-f]{64}$/.test(binaryDigest) ? binaryDigest : null;
    const isTime = certificatesEndMs !== null && Math.abs(certificatesEndMs) < 8.64e15;
    if (this.directory.clusterOfMember(instanceId) === undefined) return;
    const atMs = this.clock.monotonicMs();
    this.said.set(instanceId, { certificatesEndMs: isTime ? certificatesEndMs : null, binaryDigest: digest, atMs });
  }

  of(instanceId: string): NodeReport {
    return { ...this.heard(instanceId), wantedDigest: this.wanted(instanceId) };
  }

  private heard(instanceId: string): Said {
    const said = this.said.get(instanceId);
    if (said !== undefined && this.clock.monotonicMs() - said.atMs <= FRESH_MS)
      return { certificatesEndMs: said.certificatesEndMs, binaryDigest: said.binaryDigest };
    this.said.delete(instanceId);
    return { certificatesEndMs: null, binaryDigest: null };
  }

  private wanted(instanceId: string): string | null {
    const instance = this.directory.instances.get(instanceId);
    const module = [...(instance?.modules.values() ?? [])].find(({ name }) => artifactOf(name) === 'k3s');
    if (instance === undefined || module === undefined) return null;
    return this.versions.versionOf(instance, module, this.directory.clusterOfMember(instanceId))?.sha256 ?? null;
  }
}
