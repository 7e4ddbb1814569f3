import {
  accept,
  assertNever,
  canonicalJson,
  nearest,
  nothing,
  refusal,
  reject,
  type Decider,
  type Decision,
  type Refusal,
} from '#kernel';
import {
  ModuleVersionCreated,
  ModuleVersionPromoted,
  ModuleVersionRetired,
  ModuleVersionSuperseded,
  type ModuleSource,
} from './events.js';
import {
  evolveModuleVersions,
  liveVersion,
  nextState,
  noVersions,
  type ModuleVersion,
  type ModuleVersionEvent,
  type ModuleVersions,
  type VersionState,
} from './state.js';

export type ModuleVersionCommand =
  | {
      readonly kind: 'create';
      readonly artifact: string;
      readonly versionId: string;
      readonly version: string;
      readonly source: ModuleSource;
      readonly sha256: string | null;
      readonly notes: string;
    }
  /** To the next state; `to` says which that is expected to be. */
  | { readonly kind: 'promote'; readonly version: string; readonly to: VersionState | null }
  | { readonly kind: 'retire'; readonly version: string; readonly reason: string };

/** `v1.31.2+k3s1` or `27.5.1`: three numbers, and what comes after them. */
const VERSION = /^v?\d+\.\d+\.\d+(?:[-+~][0-9A-Za-z.+~-]+)?$/;

const invalid = (field: string, message: string, hint: string): Decision<never> =>
  reject(refusal(422, 'invalid_module_version', message, { field, hint }));

const checkSource = (source: ModuleSource, sha256: string | null): Decision<never> | undefined => {
  if (sha256 !== null && !/^[0-9a-f]{64}$/.test(sha256))
    return invalid('sha256', 'sha256 must be 64 hex digits', 'sha256sum FILE prints it');
  switch (source.kind) {
    case 'path':
      return source.path.startsWith('/')
        ? undefined
        : invalid('path', 'the path on the node must be absolute', 'e.g. /opt/k3s/v1.31.2/k3s');
    case 'url':
      if (!URL.canParse(source.url) || !source.url.startsWith('https://'))
        return invalid(
          'url',
          'a download needs an https URL',
          'nothing is installed over a connection that can be changed',
        );
      return sha256 === null
        ? invalid('sha256', 'a download needs its sha256', 'the agent installs nothing else under this version')
        : undefined;
    case 'node':
      return sha256 === null ? undefined : invalid('sha256', 'on_node takes no sha256', 'name the path instead');
    default:
      return assertNever(source);
  }
};

const create = (
  c: Extract<ModuleVersionCommand, { kind: 'create' }>,
  state: ModuleVersions,
): Decision<ModuleVersionEvent> => {
  if (!VERSION.test(c.version) || (c.artifact === 'k3s' && !c.version.startsWith('v')))
    return invalid(
      'version',
      `${JSON.stringify(c.version)} is not a version`,
      'as `--version` prints it, e.g. v1.31.2+k3s1',
    );
  const wrong = checkSource(c.source, c.sha256);
  if (wrong !== undefined) return wrong;
  const known = state.versions.find((v) => v.version === c.version);
  if (known !== undefined) {
    const same = known.sha256 === c.sha256 && canonicalJson(known.source) === canonicalJson(c.source);
    if (same) return nothing('exists');
    return reject(
      refusal(409, 'module_version_exists', `${c.artifact} ${c.version} exists with another source or digest`, {
        field: 'version',
        hint: 'a version never changes; give the new program a version of its own',
        candidates: [{ id: known.versionId, name: known.version }],
      }),
    );
  }
  const { artifact, version, source, sha256, notes } = c;
  return accept(ModuleVersionCreated({ artifact, version_id: c.versionId, version, source, sha256, notes }));
};

export const unknownVersion = (state: ModuleVersions, artifact: string, wanted: string, field: string): Refusal => {
  const open = state.versions.filter((v) => v.state !== 'retired');
  const near = nearest(
    wanted,
    open.map((v) => v.version),
  );
  return refusal(404, 'module_version_not_found', `there is no version ${JSON.stringify(wanted)} of ${artifact}`, {
    field,
    hint: near === undefined ? 'system_create_module_version makes one' : `did you mean ${near}?`,
    candidates: open.slice(-20).map((v) => ({ id: v.versionId, name: v.version })),
  });
};

export const findVersion = (state: ModuleVersions, wanted: string): ModuleVersion | undefined =>
  state.versions.find((v) => v.version === wanted || v.versionId === wanted);

const wrongState = (version: ModuleVersion, message: string, hint: string): Refusal =>
  refusal(409, 'invalid_module_transition', `${version.version} is ${version.state}: ${message}`, {
    field: 'version',
    hint,
  });

const promote = (
  version: ModuleVersion,
  wanted: VersionState | null,
  state: ModuleVersions,
): Decision<ModuleVersionEvent> => {
  if (wanted === version.state) return nothing('already_there');
  const to = nextState(version.state);
  if (to === undefined) {
    const hint =
      version.state === 'live'
        ? 'the next valid state is retired (system_retire_module_version)'
        : 'retired is final; create a new version';
    return reject(wrongState(version, 'it cannot be promoted', hint));
  }
  if (wanted !== null && wanted !== to)
    return reject(wrongState(version, `it cannot become ${wanted}`, `the next valid state is ${to}`));
  const { artifact } = state;
  const before = to === 'live' ? liveVersion(state) : undefined;
  const data = { artifact, version_id: version.versionId, version: version.version };
  return accept<ModuleVersionEvent>(
    ...(before === undefined
      ? []
      : [
          ModuleVersionSuperseded({
            artifact,
            version_id: before.versionId,
            version: before.version,
            by: version.version,
          }),
        ]),
    ModuleVersionPromoted({ ...data, from: version.state, to }),
  );
};

const decide = (c: ModuleVersionCommand, state: ModuleVersions): Decision<ModuleVersionEvent> => {
  if (c.kind === 'create') return create(c, state);
  const version = findVersion(state, c.version);
  if (version === undefined)
    return reject(unknownVersion(state, state.artifact || 'this module', c.version, 'version'));
  if (c.kind === 'promote') return promote(version, c.to, state);
  if (version.state === 'retired') return nothing('retired_before');
  const { versionId: version_id, version: name, state: from } = version;
  return accept(ModuleVersionRetired({ artifact: state.artifact, version_id, version: name, from, reason: c.reason }));
};

export const moduleVersionsDecider: Decider<ModuleVersions, ModuleVersionCommand, ModuleVersionEvent> = {
  initial: noVersions,
  evolve: evolveModuleVersions,
  decide,
};

/** Why a version may not be installed; undefined when it may. `built` is nowhere but in the catalogue yet. */
export const notInstallable = (version: ModuleVersion, field: string): Refusal | undefined => {
  if (version.state === 'built')
    return refusal(409, 'module_version_not_installable', `${version.version} is built: nothing may install it yet`, {
      field,
      hint: 'promote it first; the next valid state is staging (system_promote_module_version)',
    });
  if (version.state === 'retired')
    return refusal(409, 'module_version_not_installable', `${version.version} is retired`, {
      field,
      hint: 'choose a version that is staging, blessed or live (system_list_module_versions)',
    });
  return undefined;
};
