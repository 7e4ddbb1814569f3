import { deterministicUuid, isoTime, type Clock } from '#kernel';
import type { CommandContext } from '#processing';
import type { RefusedStatus } from '../domain/cluster/api-refusal.js';
import type { Cluster } from '../domain/cluster/state.js';
import { apiSaid } from './api-said.js';
import type { Clusters } from './clusters.js';

/** A server that starts may refuse for a moment what it has not read yet. */
export const REFUSED_MS = 60_000;
const MOST_SAID = 200;

type KnownCluster = Cluster & { readonly accountId: string };

interface Refused {
  readonly status: RefusedStatus;
  readonly said: string;
  readonly since: string;
  readonly sinceMs: number;
  readonly lastMs: number;
}

const refusedWith = (error: unknown): RefusedStatus | undefined => {
  const { code, statusCode } = (error ?? {}) as { readonly code?: unknown; readonly statusCode?: unknown };
  return ([401, 403] as const).find((status) => code === status || statusCode === status);
};

/**
 * Whether a cluster's API lets the platform look at its nodes. One that refuses it for a while is told once; and that it no longer
 * does as soon as it has listed them. An API that does not answer at all is another matter, which its servers' agents tell.
 */
export class ApiAccess {
  private refused: Refused | undefined;
  private isListed = false;

  constructor(
    private readonly clusters: Pick<Clusters, 'apply'>,
    private readonly clock: Clock,
  ) {}

  failed(error: unknown): void {
    const status = refusedWith(error);
    if (status === undefined) return;
    const lastMs = this.clock.monotonicMs();
    const { sinceMs, since } = this.refused ?? { sinceMs: lastMs, since: isoTime(this.clock.wallMs()) };
    this.isListed = false;
    this.refused = { sinceMs, since, lastMs, status, said: apiSaid(error, MOST_SAID) };
  }

  listed(): void {
    this.refused = undefined;
    this.isListed = true;
  }

  async judge(cluster: KnownCluster): Promise<void> {
    const { refused } = this;
    if (this.isListed && cluster.apiRefused != null)
      await this.clusters.apply(cluster.id, { type: 'api_accepted' }, this.context(cluster));
    if (refused === undefined || refused.status === cluster.apiRefused?.status) return;
    const { status, said, since, sinceMs, lastMs } = refused;
    // Heard again after so long: that nothing was heard since is no refusal.
    if (lastMs - sinceMs < REFUSED_MS) return;
    await this.clusters.apply(cluster.id, { type: 'api_refused', status, said, since }, this.context(cluster));
  }

  private context({ id, accountId }: KnownCluster): CommandContext {
    const nowMs = this.clock.wallMs();
    const commandId = deterministicUuid('api_access', id, nowMs);
    const actor = { kind: 'system', id: 'kubernetes_api' } as const;
    return { commandId, correlationId: commandId, causationId: commandId, accountId, actor, nowMs };
  }
}
