import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { CLOCK, CONFIG, RANDOM, type Clock, type Config, type Random } from '#kernel';
import { SECRET_STORE, type SecretStore } from '#access';
import { PROCESSING_REGISTRAR, READ_MODELS, type ProcessingRegistrar, type ReadModels } from '#processing';
import { CURSOR_CODEC, TOOL_REGISTRAR, type CursorCodec, type ToolRegistrar } from '#tools';
import { handlers } from './application/handlers.js';
import { EVENT_STREAM, type EventStream } from './event-stream.js';
import { webhooks } from './projections/webhooks.js';
import { registerWebhookTools } from './tools/webhook-tools.js';
import { WEBHOOK_ROWS, type WebhookRows } from './webhooks/rows.js';
import { WEBHOOK_TRANSPORT, type WebhookTransport } from './webhooks/transport.js';

/** Webhooks: their tools and read model. The streams and the deliveries run beside Nest and are wired in apps/platform. */
@Module({ providers: [...handlers] })
export class ConsumersModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(CURSOR_CODEC) private readonly cursors: CursorCodec,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
    @Inject(WEBHOOK_ROWS) private readonly rows: WebhookRows,
    @Inject(WEBHOOK_TRANSPORT) private readonly transport: WebhookTransport,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.processing.addProjection(webhooks);
    const { readModels, rows, secrets, transport, cursors, clock, random, config } = this;
    const { kinds } = this.stream;
    registerWebhookTools(this.tools, { readModels, rows, secrets, transport, cursors, clock, random, config, kinds });
  }
}
