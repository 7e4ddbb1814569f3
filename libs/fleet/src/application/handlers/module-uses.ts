import { deterministicUuid } from '#kernel';
import { moduleVersionsDecider } from '../../domain/module/decide.js';
import { CreateModuleVersion, PromoteModuleVersion, RetireModuleVersion } from '../commands.js';
import { moduleStream } from '../module-versions.js';
import { resultOf, use } from '../use.js';

const create = use(CreateModuleVersion, async ({ transactor }, payload, context) => {
  const { artifact, version, source, sha256, notes } = payload;
  const versionId = deterministicUuid('module_version', context.accountId, artifact, version);
  const command = { kind: 'create', artifact, versionId, version, source, sha256, notes } as const;
  const stream = moduleStream(context.accountId, artifact);
  return resultOf(await transactor.transact(stream, moduleVersionsDecider, command, context), () => undefined);
});

const promote = use(PromoteModuleVersion, async ({ transactor }, { artifact, version, to }, context) => {
  const stream = moduleStream(context.accountId, artifact);
  const command = { kind: 'promote', version, to } as const;
  return resultOf(await transactor.transact(stream, moduleVersionsDecider, command, context), () => undefined);
});

const retire = use(RetireModuleVersion, async ({ transactor }, { artifact, version, reason }, context) => {
  const stream = moduleStream(context.accountId, artifact);
  const command = { kind: 'retire', version, reason } as const;
  return resultOf(await transactor.transact(stream, moduleVersionsDecider, command, context), () => undefined);
});

export const moduleUses = [create, promote, retire] as const;
