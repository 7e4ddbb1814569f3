import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { CLOCK, type Clock } from '#kernel';
import { READ_MODELS, TRANSACTOR, type ReadModels, type Transactor } from '#processing';
import { TOOL_REGISTRAR, type ToolRegistrar } from '../define-tool.js';
import { registerOperatorTools } from './operator-tools.js';

/** Accounts, operators and tokens as tools. Apart from ToolsModule, because a fork has it too: dry runs of these tell what would follow. */
@Module({})
export class OperatorsModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly registry: ToolRegistrar,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const { registry, transactor, readModels, clock } = this;
    registerOperatorTools({ registry, transactor, readModels, clock });
  }
}
