import { nearest, refusal, RefusedError } from '#kernel';
import type { ReadModels } from '#processing';
import type { ToolCall } from '#tools';
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
  const named = all.filter((doc) => doc.name === wanted);
  const living = named.filter((doc) => doc.status !== 'decommissioned');
  const found = living[0] ?? named.at(-1);
  if (found !== undefined && living.length < 2) return found;
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
