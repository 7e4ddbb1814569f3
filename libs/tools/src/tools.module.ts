import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { TIMERS, type Timers } from '#kernel';
import { SECRET_STORE, type SecretStore } from '#access';
import {
  PROCESSING_REGISTRAR,
  READ_MODELS,
  READ_YOUR_WRITES,
  TRANSACTOR,
  type ProcessingRegistrar,
  type ReadModels,
  type ReadYourWrites,
  type Transactor,
} from '#processing';
import { ExpireApproval, PerformApproved } from './approvals/commands.js';
import { approvalHandlers } from './approvals/handlers.js';
import { LogGate } from './approvals/log-gate.js';
import { approvalsManager } from './approvals/manager.js';
import { toolApprovals } from './approvals/projection.js';
import { getOperation } from './operations/get-operation.js';
import { registerApprovalTools } from './tools/approval-tools.js';
import { getOperationTool } from './tools/definitions.js';
import { ToolRegistry } from './tool-registry.js';

/** What the tools themselves keep: policies and approvals; and how to follow what a call began. */
@Module({ providers: [...approvalHandlers] })
export class ToolsModule implements OnModuleInit {
  constructor(
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(READ_YOUR_WRITES) private readonly readYourWrites: ReadYourWrites,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(TIMERS) private readonly timers: Timers,
  ) {}

  onModuleInit(): void {
    const { registry, processing, transactor, readModels, readYourWrites, secrets, timers } = this;
    processing.addProjection(toolApprovals);
    processing.addProcessManager(approvalsManager);
    processing.addCommand(ExpireApproval);
    processing.addCommand(PerformApproved);
    registry.add(getOperationTool, getOperation(registry, timers));
    registerApprovalTools({ registry, readModels, transactor, timers });
    registry.useGate(new LogGate({ transactor, secrets, readModels, readYourWrites }));
  }
}
