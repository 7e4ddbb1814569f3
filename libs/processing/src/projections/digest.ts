import { createHash } from 'node:crypto';
import { canonicalJson } from '#kernel';
import type { Projection } from '../projection.js';
import type { ProjectionTable, ReadModelStore } from './read-model-store.js';

/** Identifies a read model's whole content: equal digests mean equal documents in equal order. */
export interface Digest {
  readonly documents: number;
  readonly sha256: string;
  readonly position: bigint;
}

/** sha256 over key, place and canonical document, in list order. The table must not move meanwhile. */
export const digestOf = async (store: ReadModelStore, table: ProjectionTable): Promise<Digest> => {
  const hash = createHash('sha256');
  let documents = 0;
  for await (const page of store.scan(table, 1_000)) {
    for (const [key, row] of page) {
      hash.update(canonicalJson([key, String(row.created), row.doc])).update('\n');
      documents++;
    }
  }
  return { documents, sha256: hash.digest('hex'), position: table.position };
};

/** Of the table that readers see. One that a rebuild replaces and drops meanwhile is followed by the new one. */
export const digestOfActive = async (store: ReadModelStore, projection: Projection): Promise<Digest> => {
  const { name } = projection;
  const active = async () => {
    const table = (await store.tables()).find((t) => t.name === name && t.state === 'active');
    if (table === undefined) throw new Error(`${name} has no active table`);
    return table;
  };
  for (;;) {
    const table = await active();
    try {
      return await digestOf(store, { ...table, projection });
    } catch (error) {
      if ((await active()).table === table.table) throw error;
    }
  }
};
