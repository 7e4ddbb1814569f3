import type { EventStore } from '#event-store';
import type { Projection, ReadModels } from '#processing';

/** A document from the read model, or folded from its own stream while the read model does not know it yet. */
export const documentOf = async <D extends object>(
  services: { readonly readModels: ReadModels; readonly store: EventStore },
  projection: Projection<D>,
  id: string,
): Promise<D> => {
  const stored = await services.readModels.get(projection, id);
  if (stored !== undefined) return stored;
  let doc: D | undefined;
  for await (const event of services.store.readStream(id)) doc = projection.fold(doc, event, id);
  if (doc === undefined) throw new Error(`${projection.name} has no document ${id}, and its stream makes none`);
  return doc;
};

/** One page of documents with the cursor of the next. */
export const pageOf = async <D extends { readonly id: string }>(
  models: ReadModels,
  projection: Projection<D>,
  where: Readonly<Record<string, string | boolean>>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly docs: readonly D[]; readonly next_cursor: string | null }> => {
  const after = cursor === undefined ? {} : { after: cursor };
  const docs = await models.find(projection, { where, limit: limit + 1, ...after });
  const shown = docs.slice(0, limit);
  return { docs: shown, next_cursor: docs.length > limit ? shown.at(-1)!.id : null };
};
