import { Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import {
  CLOCK,
  errorMessage,
  LOG,
  RANDOM,
  TIMERS,
  type Cancel,
  type Clock,
  type Log,
  type Random,
  type Timers,
} from '#kernel';
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
import { EndAnswer, ExpireApproval, PerformApproved } from './approvals/commands.js';
import { approvalHandlers } from './approvals/handlers.js';
import { LogGate } from './approvals/log-gate.js';
import { approvalsManager } from './approvals/manager.js';
import { toolApprovals } from './approvals/projection.js';
import { IDEMPOTENCY_LEDGER, KEY_LIFETIME_MS, type IdempotencyLedger } from './idempotency.js';
import { getOperation } from './operations/get-operation.js';
import { registerApprovalTools } from './tools/approval-tools.js';
import { getOperationTool } from './tools/definitions.js';
import { ToolRegistry } from './tool-registry.js';

const PRUNE_EVERY_MS = 3_600_000;

/** What the tools themselves keep: policies and approvals; and how to follow what a call began. */
@Module({ providers: [...approvalHandlers] })
export class ToolsModule implements OnModuleInit, OnModuleDestroy {
  private stopPruning: Cancel = () => undefined;

  constructor(
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(READ_YOUR_WRITES) private readonly readYourWrites: ReadYourWrites,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(IDEMPOTENCY_LEDGER) private readonly ledger: IdempotencyLedger,
    @Inject(LOG) private readonly log: Log,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  onModuleInit(): void {
    const { registry, processing, transactor, readModels, readYourWrites, secrets, timers, random, clock } = this;
    processing.addProjection(toolApprovals);
    processing.addProcessManager(approvalsManager);
    processing.addCommand(ExpireApproval);
    processing.addCommand(PerformApproved);
    processing.addCommand(EndAnswer);
    registry.add(getOperationTool, getOperation(registry, timers));
    registerApprovalTools({ registry, readModels, transactor, timers, clock });
    registry.useGate(new LogGate({ transactor, secrets, readModels, readYourWrites, random }));
    this.stopPruning = timers.every(PRUNE_EVERY_MS, () => void this.prune());
  }

  onModuleDestroy(): void {
    this.stopPruning();
  }

  private async prune(): Promise<void> {
    try {
      await this.ledger.prune(KEY_LIFETIME_MS);
    } catch (error) {
      // It is tried again in an hour; until then the table is a little larger.
      this.log.warn({ error: errorMessage(error) }, 'old idempotency keys are not forgotten yet');
    }
  }
}
