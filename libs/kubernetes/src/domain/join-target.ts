import { nearest, refusal, type Refusal } from '#kernel';

export interface ClusterChoice {
  readonly id: string;
  readonly name: string;
  readonly joinable: boolean;
}

/** A name as it stands in URLs and commands; what a cluster may be called by as well. */
export const slugOf = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');

/** Those that a word means: by id, else by name, else by slug. Slugs of several clusters may be the same. */
export const clustersNamed = <C extends { readonly id: string; readonly name: string }>(
  wanted: string,
  clusters: readonly C[],
): readonly C[] => {
  const exact = clusters.filter((c) => c.id === wanted || c.name === wanted);
  return exact.length > 0 ? exact : clusters.filter((c) => slugOf(c.name) === wanted);
};

/**
 * Which cluster a joining node means: the one named by id, name or slug, else the account's only one. Several without a name are
 * a refusal with the candidates, never a guess.
 */
export const resolveTarget = (
  wanted: string | null,
  clusters: readonly ClusterChoice[],
): { readonly ok: true; readonly clusterId: string } | { readonly ok: false; readonly refusal: Refusal } => {
  const candidates = clusters.map(({ id, name }) => ({ id, name }));
  if (wanted !== null && wanted !== '') {
    const named = clustersNamed(wanted, clusters);
    if (named.length === 1) return { ok: true, clusterId: named[0]!.id };
    if (named.length > 1) return refused(ambiguous(`${named.length} clusters are called ${wanted}`, named));
    const near = nearest(
      wanted,
      clusters.flatMap((c) => [c.name, slugOf(c.name), c.id]),
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
  return refused(ambiguous(`the account has ${joinable.length} clusters and the assignment names none`, joinable));
};

const ambiguous = (message: string, clusters: readonly ClusterChoice[]): Refusal =>
  refusal(409, 'AmbiguousClusterError', message, {
    field: 'target_cluster_id',
    hint: 'set config.target_cluster_id of the assignment to the id of one of the candidates',
    candidates: clusters.map(({ id, name }) => ({ id, name })),
  });

const refused = (r: Refusal) => ({ ok: false as const, refusal: r });
