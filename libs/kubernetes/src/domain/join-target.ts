import { nearest, refusal, type Refusal } from '#kernel';

export interface ClusterChoice {
  readonly id: string;
  readonly name: string;
  readonly joinable: boolean;
}

/**
 * Which cluster a joining node means: the one named by id or name, else the account's only one. Several without a name are
 * a refusal with the candidates, never a guess.
 */
export const resolveTarget = (
  wanted: string | null,
  clusters: readonly ClusterChoice[],
): { readonly ok: true; readonly clusterId: string } | { readonly ok: false; readonly refusal: Refusal } => {
  const candidates = clusters.map(({ id, name }) => ({ id, name }));
  if (wanted !== null && wanted !== '') {
    const found = clusters.find((c) => c.id === wanted || c.name === wanted);
    if (found !== undefined) return { ok: true, clusterId: found.id };
    const near = nearest(
      wanted,
      clusters.flatMap((c) => [c.name, c.id]),
    );
    return refused(
      refusal(404, 'ClusterNotFoundError', `no cluster ${JSON.stringify(wanted)} in this account`, {
        field: 'target_cluster_id',
        hint: near === undefined ? 'kubernetes_list_clusters lists them' : `did you mean ${near}?`,
        candidates,
      }),
    );
  }
  const joinable = clusters.filter((c) => c.joinable);
  if (joinable.length === 1) return { ok: true, clusterId: joinable[0]!.id };
  if (joinable.length === 0) {
    return refused(
      refusal(422, 'NoClusterAvailableError', 'the account has no cluster that could be joined', {
        field: 'target_cluster_id',
        hint: 'assign k3s-server to a template with a running instance first',
      }),
    );
  }
  return refused(
    refusal(409, 'AmbiguousClusterError', `the account has ${joinable.length} clusters and the assignment names none`, {
      field: 'target_cluster_id',
      hint: 'set config.target_cluster_id of the k3s-agent assignment to one of the candidates',
      candidates: joinable.map(({ id, name }) => ({ id, name })),
    }),
  );
};

const refused = (r: Refusal) => ({ ok: false as const, refusal: r });
