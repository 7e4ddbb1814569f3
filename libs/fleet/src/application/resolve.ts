import { nearest, refusal, RefusedError, type Candidate } from '#kernel';
import type { ColumnValue, Projection, ReadModels } from '#processing';

export interface ResolveOptions<D extends object> {
  /** Only things of this account are found. */
  readonly account: string;
  /** What it is called in messages and codes, e.g. `instance`. */
  readonly kind: string;
  /** The argument that named it. */
  readonly field: string;
  /** The tool that lists what there is, for the hint. */
  readonly listTool?: string;
  readonly describe: (doc: D) => Candidate;
  /** Further names by which a document may be called. */
  readonly alsoCalled?: (doc: D) => readonly string[];
  /** Documents to prefer when several bear a name, e.g. those that still live. */
  readonly prefer?: (doc: D) => boolean;
  readonly where?: Readonly<Record<string, ColumnValue>>;
}

/** How many documents are looked through for further names and for the nearest one. */
const AT_MOST = 1_000;

/**
 * The one document of an account that an id or a name means. Throws RefusedError: 404 with the nearest name, or 409 with the
 * candidates when several bear the name.
 */
export const resolveByIdOrName = async <D extends object>(
  models: ReadModels,
  projection: Projection<D>,
  wanted: string,
  options: ResolveOptions<D>,
): Promise<D> => {
  const { account, describe, where = {} } = options;
  const byId = await models.get(projection, wanted);
  if (byId !== undefined && projection.columns(byId).account === account) return byId;
  const byName = Object.hasOwn(projection.columnTypes, 'name')
    ? await models.find(projection, { where: { ...where, account, name: wanted }, limit: AT_MOST })
    : [];
  const all =
    byName.length > 0 ? byName : await models.find(projection, { where: { ...where, account }, limit: AT_MOST });
  const named = all.filter((doc) => namesOf(doc, options).includes(wanted));
  const preferred = options.prefer === undefined ? named : named.filter(options.prefer);
  const found = preferred.length > 0 ? preferred : named;
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    throw new RefusedError(
      refusal(409, 'ambiguous_name', `${found.length} things of kind ${options.kind} are called ${wanted}`, {
        field: options.field,
        hint: 'give the id of one of the candidates',
        candidates: found.slice(0, 20).map(describe),
      }),
    );
  }
  throw notFound(wanted, all, options);
};

const namesOf = <D extends object>(doc: D, { describe, alsoCalled }: ResolveOptions<D>): string[] => {
  const { name } = describe(doc);
  return [...(name === undefined ? [] : [name]), ...(alsoCalled?.(doc) ?? [])];
};

const notFound = <D extends object>(wanted: string, all: readonly D[], options: ResolveOptions<D>): RefusedError => {
  const { kind, field, listTool, describe } = options;
  const names = all.flatMap((doc) => namesOf(doc, options));
  const near =
    nearest(wanted, names) ??
    nearest(
      wanted,
      all.map((doc) => describe(doc).id),
    );
  const list = listTool === undefined ? `there are ${all.length}` : `${listTool} shows what there is`;
  const matching = all.filter((doc) => namesOf(doc, options).includes(near ?? '') || describe(doc).id === near);
  return new RefusedError(
    refusal(
      404,
      `${kind}_not_found`,
      `there is no ${kind.replaceAll('_', ' ')} ${JSON.stringify(wanted.slice(0, 100))}`,
      {
        field,
        hint: near === undefined ? list : `did you mean ${near}?`,
        ...(matching.length === 0 ? {} : { candidates: matching.slice(0, 20).map(describe) }),
      },
    ),
  );
};
