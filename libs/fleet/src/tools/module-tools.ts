import { refusal, RefusedError } from '#kernel';
import { statusOfState, type ToolCall, type ToolRegistrar } from '#tools';
import { CreateModuleVersion, PromoteModuleVersion, RetireModuleVersion } from '../application/commands.js';
import { moduleStream } from '../application/module-versions.js';
import type { FleetServices } from '../application/services.js';
import { artifactOf, ARTIFACTS, modulesOf } from '../domain/module-catalogue.js';
import type { ModuleSource } from '../domain/module/events.js';
import { findVersion } from '../domain/module/decide.js';
import { liveVersion, nextState, type ModuleVersion } from '../domain/module/state.js';
import { fleetModuleVersions, type ModuleVersionsDoc } from '../projections/index.js';
import { documentOf } from './answers.js';
import * as tools from './module-definitions.js';

const artifact = (moduleName: string): string => {
  const found = artifactOf(moduleName);
  if (found !== undefined) return found;
  throw new RefusedError(
    refusal(404, 'module_not_versioned', `${JSON.stringify(moduleName)} has no versions`, {
      field: 'module_name',
      hint: `versions are kept of ${ARTIFACTS.join(', ')}`,
      candidates: ARTIFACTS.flatMap((name) => modulesOf(name).map((id) => ({ id, name: id }))),
    }),
  );
};

const sourceOf = (input: { path?: string | undefined; url?: string | undefined; on_node: boolean }): ModuleSource => {
  const given = [input.path !== undefined, input.url !== undefined, input.on_node].filter(Boolean).length;
  if (given !== 1) {
    throw new RefusedError(
      refusal(422, 'invalid_module_version', 'a version has exactly one source', {
        field: 'path',
        hint: 'give one of path, url (with sha256) and on_node',
      }),
    );
  }
  if (input.path !== undefined) return { kind: 'path', path: input.path };
  return input.url === undefined ? { kind: 'node' } : { kind: 'url', url: input.url };
};

const view = (doc: ModuleVersionsDoc, v: ModuleVersion): tools.VersionOutput => ({
  id: v.versionId,
  artifact: doc.catalogue.artifact,
  modules: modulesOf(doc.catalogue.artifact),
  version: v.version,
  state: v.state,
  next_state: nextState(v.state) ?? null,
  digest: v.sha256 === null ? null : `sha256:${v.sha256}`,
  source: v.source,
  notes: v.notes,
  created_at: doc.times[v.versionId]!.created_at,
  state_since: doc.times[v.versionId]!.state_since,
  ...statusOfState({
    state: v.state,
    // Templates may name it from blessed on; live is what they get that name none.
    ready: ['blessed', 'live'],
    progressing: [],
    resting: ['built', 'staging', 'retired'],
    since: doc.times[v.versionId]!.state_since,
    also: [
      {
        type: 'Verified',
        holds: v.sha256 !== null,
        reason: v.sha256 === null ? 'NoDigest' : 'DigestKnown',
        message:
          v.sha256 === null ? 'the program is taken as it is on the node' : 'agents run nothing with another digest',
      },
    ],
  }),
});

export const registerModuleTools = (registrar: ToolRegistrar, services: FleetServices): void => {
  const read = (call: ToolCall, name: string) =>
    documentOf(services, fleetModuleVersions, moduleStream(call.accountId, name));
  const answer = async (call: ToolCall, name: string, version: string, liveBefore?: string) => {
    await call.settle(fleetModuleVersions);
    const doc = await read(call, name);
    const live = liveVersion(doc.catalogue)?.version;
    const superseded = liveBefore !== undefined && live !== liveBefore ? liveBefore : null;
    return { module_version: view(doc, findVersion(doc.catalogue, version)!), superseded };
  };
  const liveNow = async (call: ToolCall, name: string) => {
    const doc = await services.readModels.get(fleetModuleVersions, moduleStream(call.accountId, name));
    return doc === undefined ? undefined : liveVersion(doc.catalogue)?.version;
  };

  registrar.add(tools.createModuleVersion, async (input, call) => {
    const name = artifact(input.module_name);
    const { version, sha256 = null, notes } = input;
    await call.run(CreateModuleVersion, { artifact: name, version, source: sourceOf(input), sha256, notes });
    return answer(call, name, version);
  });
  registrar.add(tools.promoteModuleVersion, async (input, call) => {
    const name = artifact(input.module_name);
    const before = await liveNow(call, name);
    await call.run(PromoteModuleVersion, { artifact: name, version: input.version, to: input.to ?? null });
    return answer(call, name, input.version, before);
  });
  registrar.add(tools.retireModuleVersion, async (input, call) => {
    const name = artifact(input.module_name);
    await call.run(RetireModuleVersion, { artifact: name, version: input.version, reason: input.reason });
    return answer(call, name, input.version);
  });
  registrar.add(tools.listModuleVersions, async (input, call) => {
    const wanted = input.module_name === undefined ? undefined : artifact(input.module_name);
    const docs = await services.readModels.find(fleetModuleVersions, { where: { account: call.accountId } });
    const shown = docs.filter((doc) => wanted === undefined || doc.catalogue.artifact === wanted);
    return {
      module_versions: shown.flatMap((doc) =>
        doc.catalogue.versions
          .filter((v) => input.state === undefined || v.state === input.state)
          .map((v) => view(doc, v)),
      ),
    };
  });
};
