import { nearest, refusal, RefusedError } from '#kernel';
import type { ReadModels } from '#processing';
import type { ToolCall } from '#tools';
import { clustersNamed } from '../domain/join-target.js';
import { clustersProjection, type ClusterDoc } from '../projections/clusters.js';

/** The cluster of the caller's account that an id, a slug or a name means; a living one before those that are gone. */
export const findCluster = async (
  readModels: ReadModels,
  wanted: string,
  call: Pick<ToolCall, 'accountId'>,
): Promise<ClusterDoc> => {
  const byId = await readModels.get(clustersProjection, wanted);
  if (byId !== undefined && byId.accountId === call.accountId) return byId;
  const all = await readModels.find(clustersProjection, { where: { account: call.accountId } });
  const named = clustersNamed(wanted, all);
  const living = named.filter((doc) => doc.status !== 'decommissioned');
  const found = living[0] ?? named.at(-1);
  if (found !== undefined && living.length < 2) return found;
  if (found !== undefined) throw new RefusedError(ambiguous(wanted, living));
  const near = nearest(
    wanted,
    all.flatMap((doc) => [doc.name, doc.id]),
  );
  throw new RefusedError(
    refusal(404, 'cluster_not_found', `no cluster ${JSON.stringify(wanted)}`, {
      field: 'cluster_id',
      hint: near === undefined ? 'kubernetes_list_clusters lists them' : `did you mean ${near}?`,
      candidates: all.filter((doc) => doc.status !== 'decommissioned').map(({ id, name }) => ({ id, name })),
    }),
  );
};

const ambiguous = (wanted: string, clusters: readonly ClusterDoc[]) =>
  refusal(409, 'AmbiguousClusterError', `${clusters.length} clusters are called ${wanted}`, {
    field: 'cluster_id',
    hint: 'give the id of one of the candidates',
    candidates: clusters.map(({ id, name }) => ({ id, name })),
  });
