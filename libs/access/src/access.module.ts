import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { EVENT_CATALOGUE, type EventCatalogue } from '#kernel';
import { PROCESSING_REGISTRAR, type ProcessingRegistrar } from '#processing';
import { operatorHandlers } from './application/operator-commands.js';
import { secretShredder, ShredSecrets, ShredSecretsHandler } from './application/secret-shredder.js';
import { accounts, operators } from './projections/operators.js';

/** What runs of access beside its ports: secrets are shredded when their subject ends; accounts and operators. */
@Module({ providers: [ShredSecretsHandler, ...operatorHandlers] })
export class AccessModule implements OnModuleInit {
  constructor(
    @Inject(EVENT_CATALOGUE) private readonly catalogue: EventCatalogue,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
  ) {}

  onModuleInit(): void {
    this.processing.addProjection(operators);
    this.processing.addProjection(accounts);
    this.processing.addProcessManager(secretShredder(this.catalogue));
    this.processing.addCommand(ShredSecrets);
  }
}
