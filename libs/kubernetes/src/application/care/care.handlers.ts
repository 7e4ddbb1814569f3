import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { TRANSACTOR, type CommandResult, type Transactor } from '#processing';
import { clusterDecider } from '../../domain/cluster/decide.js';
import { ResumeMigration, SetLifecyclePolicy } from '../commands.js';

@CommandHandler(SetLifecyclePolicy)
export class SetLifecyclePolicyHandler implements ICommandHandler<SetLifecyclePolicy> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: SetLifecyclePolicy): Promise<CommandResult<void>> {
    const command = { type: 'set_policy', change: payload.change } as const;
    const done = await this.transactor.transact(payload.cluster_id, clusterDecider, command, context);
    return done.kind === 'refused' ? done : { kind: 'done', value: undefined, position: done.position };
  }
}

@CommandHandler(ResumeMigration)
export class ResumeMigrationHandler implements ICommandHandler<ResumeMigration> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: ResumeMigration): Promise<CommandResult<void>> {
    const command = { type: 'resume_migration' } as const;
    const done = await this.transactor.transact(payload.cluster_id, clusterDecider, command, context);
    return done.kind === 'refused' ? done : { kind: 'done', value: undefined, position: done.position };
  }
}
