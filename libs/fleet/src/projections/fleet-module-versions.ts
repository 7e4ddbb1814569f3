import { categoryOf } from '#kernel';
import { defineProjection } from '#processing';
import {
  evolveModuleVersions,
  noVersions,
  type ModuleVersionEvent,
  type ModuleVersions,
} from '../domain/module/state.js';

export interface ModuleVersionsDoc {
  readonly id: string;
  readonly account: string;
  readonly catalogue: ModuleVersions;
  /** When a version was made and when its state last changed, by version id. */
  readonly times: Readonly<Record<string, { readonly created_at: string; readonly state_since: string }>>;
}

export const fleetModuleVersions = defineProjection<ModuleVersionsDoc>({
  name: 'fleet_module_versions',
  version: 1,
  keys: (event) => (categoryOf(event.stream) === 'module' ? [event.stream] : []),
  fold: (doc, event, key) => {
    const fact = { type: event.type, data: event.data } as unknown as ModuleVersionEvent;
    const at = event.meta.occurredAt;
    const id = fact.data.version_id;
    return {
      id: key,
      account: doc?.account ?? event.meta.accountId,
      catalogue: evolveModuleVersions(doc?.catalogue ?? noVersions, fact),
      times: { ...doc?.times, [id]: { created_at: doc?.times[id]?.created_at ?? at, state_since: at } },
    };
  },
  columns: (doc) => ({ account: doc.account, artifact: doc.catalogue.artifact }),
  columnTypes: { artifact: 'text' },
});
