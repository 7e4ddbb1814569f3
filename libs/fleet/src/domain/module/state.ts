import type { EventOf } from '#kernel';
import type { ModuleSource, moduleVersionEvents } from './events.js';

export type ModuleVersionEvent = EventOf<(typeof moduleVersionEvents)[number]>;

export const VERSION_STATES = ['built', 'staging', 'blessed', 'live', 'retired'] as const;
export type VersionState = (typeof VERSION_STATES)[number];

export interface ModuleVersion {
  readonly versionId: string;
  readonly version: string;
  readonly state: VersionState;
  readonly source: ModuleSource;
  /** Hex sha256 of the program; null when nobody said. */
  readonly sha256: string | null;
  readonly notes: string;
}

/** The versions of one artifact in one account, in the order they were made; at most one of them is live. */
export interface ModuleVersions {
  readonly artifact: string;
  readonly versions: readonly ModuleVersion[];
}

export const noVersions: ModuleVersions = { artifact: '', versions: [] };

export const evolveModuleVersions = (state: ModuleVersions, event: ModuleVersionEvent): ModuleVersions => {
  const change = (to: VersionState): ModuleVersions => ({
    ...state,
    versions: state.versions.map((v) => (v.versionId === event.data.version_id ? { ...v, state: to } : v)),
  });
  switch (event.type) {
    case 'system.module.version_created': {
      const { artifact, version_id: versionId, version, source, sha256, notes } = event.data;
      return { artifact, versions: [...state.versions, { versionId, version, state: 'built', source, sha256, notes }] };
    }
    case 'system.module.version_promoted':
      return change(event.data.to);
    case 'system.module.version_superseded':
      return change('blessed');
    case 'system.module.version_retired':
      return change('retired');
    default:
      return state;
  }
};

export const liveVersion = (state: ModuleVersions): ModuleVersion | undefined =>
  state.versions.find((v) => v.state === 'live');

/** The state that comes next when a version is promoted; undefined where promotion ends. */
export const nextState = (state: VersionState): VersionState | undefined =>
  state === 'live' || state === 'retired' ? undefined : VERSION_STATES[VERSION_STATES.indexOf(state) + 1];
