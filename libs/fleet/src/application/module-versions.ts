import { deterministicUuid, RefusedError } from '#kernel';
import type { Transactor } from '#processing';
import { artifactOf } from '../domain/module-catalogue.js';
import { findVersion, moduleVersionsDecider, notInstallable, unknownVersion } from '../domain/module/decide.js';
import { noVersions, type ModuleVersion, type ModuleVersions } from '../domain/module/state.js';

/** One stream per artifact and account: it decides that at most one version is live. */
export const moduleStream = (accountId: string, artifact: string): string =>
  `module-${deterministicUuid('module', accountId, artifact)}`;

export const readModuleVersions = async (
  transactor: Transactor,
  accountId: string,
  artifact: string,
): Promise<ModuleVersions> =>
  (await transactor.read(moduleStream(accountId, artifact), moduleVersionsDecider))?.state ?? noVersions;

/** The version that may be installed under this name. Throws RefusedError (404 with the nearest, 409 when it may not). */
export const installableVersion = async (
  transactor: Transactor,
  accountId: string,
  moduleName: string,
  wanted: string,
  field: string,
): Promise<ModuleVersion> => {
  const artifact = artifactOf(moduleName) ?? moduleName;
  const state = await readModuleVersions(transactor, accountId, artifact);
  const found = findVersion(state, wanted);
  if (found === undefined) throw new RefusedError(unknownVersion(state, artifact, wanted, field));
  const refused = notInstallable(found, field);
  if (refused !== undefined) throw new RefusedError(refused);
  return found;
};
