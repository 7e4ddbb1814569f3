import { nearest, refusal, RefusedError, type Candidate } from '#kernel';
import type { Projection, ReadModels } from '#processing';
import { nowOf, type Now } from './now.js';

export type SubjectKind = 'instance' | 'cluster' | 'virtual_ip';

export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  readonly name: string;
}

/** The read model that knows the subjects of a kind. */
const MODELS: readonly (readonly [SubjectKind, string])[] = [
  ['instance', 'fleet_instances'],
  ['cluster', 'kubernetes_clusters'],
  ['virtual_ip', 'sdwan_virtual_ips'],
];
const OVER = new Set(['terminated', 'forgotten', 'decommissioned', 'released']);
const AT_MOST = 1_000;

interface Found extends Subject {
  readonly now: Now;
  readonly names: readonly string[];
  readonly over: boolean;
}

/**
 * What an id or a name means among the account's instances, clusters and virtual IPs. A living thing is preferred to one
 * that is over; throws RefusedError: 404 with the nearest name, 409 with the candidates.
 */
export const findSubject = async (
  models: ReadModels,
  projections: readonly Projection[],
  account: string,
  wanted: string,
): Promise<Subject & { readonly now: Now }> => {
  const all: Found[] = [];
  for (const [kind, name] of MODELS) {
    const projection = projections.find((p) => p.name === name);
    if (projection === undefined) continue;
    const byId = wanted.startsWith(`${kind}-`) ? await models.get(projection, wanted) : undefined;
    if (byId !== undefined && projection.columns(byId).account === account) return toFound(kind, projection, byId);
    const docs = await models.find(projection, { where: { account }, limit: AT_MOST });
    all.push(...docs.map((doc) => toFound(kind, projection, doc)));
  }
  const named = all.filter((one) => one.id === wanted || one.names.includes(wanted));
  const living = named.filter((one) => !one.over);
  const found = living.length > 0 ? living : named.slice(-1);
  if (found.length === 1) return found[0]!;
  throw new RefusedError(found.length === 0 ? notFound(wanted, all) : ambiguous(wanted, found));
};

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const toFound = (kind: SubjectKind, projection: Projection, doc: object): Found => {
  const columns = projection.columns(doc);
  const id = textOf(Reflect.get(doc, 'id')) ?? '';
  const name = textOf(columns['name']) ?? id;
  // A virtual IP is often called by what it is for, or by its address.
  const vip: unknown = Reflect.get(doc, 'vip');
  const address = typeof vip === 'object' && vip !== null ? textOf(Reflect.get(vip, 'address')) : undefined;
  const names = [name, textOf(columns['purpose']), kind === 'virtual_ip' ? address : undefined];
  const state = textOf(columns['state']) ?? textOf(columns['status']) ?? '';
  const now = nowOf(state, doc);
  return { kind, id, name, names: names.filter((one) => one !== undefined), over: OVER.has(state), now };
};

const candidatesOf = (found: readonly Found[]): Candidate[] => found.slice(0, 20).map(({ id, name }) => ({ id, name }));

const ambiguous = (wanted: string, found: readonly Found[]) =>
  refusal(409, 'ambiguous_name', `${found.length} things are called ${wanted}`, {
    field: 'subject',
    hint: 'give the id of one of the candidates',
    candidates: candidatesOf(found),
  });

const notFound = (wanted: string, all: readonly Found[]) => {
  const near =
    nearest(
      wanted,
      all.flatMap((one) => one.names),
    ) ??
    nearest(
      wanted,
      all.map((one) => one.id),
    );
  const matching = all.filter((one) => near !== undefined && (one.names.includes(near) || one.id === near));
  return refusal(
    404,
    'subject_not_found',
    `there is no instance, cluster or virtual IP ${JSON.stringify(wanted.slice(0, 100))}`,
    {
      field: 'subject',
      hint: near === undefined ? 'fleet_state_at shows what there is' : `did you mean ${near}?`,
      ...(matching.length === 0 ? {} : { candidates: candidatesOf(matching) }),
    },
  );
};
