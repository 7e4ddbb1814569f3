import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { claimName, releaseName, SECRET_STORE, type SecretStore } from '#access';
import { TRANSACTOR, Transactor, type CommandContext, type CommandResult, type Transacted } from '#processing';
import { webhookDecider, type WebhookState } from '../domain/webhook/decide.js';
import type { WebhookEvent } from '../domain/webhook/events.js';
import { ClaimWebhookName, CreateWebhook, DeleteWebhook, RedeliverWebhook } from './commands.js';

type Written = Transacted<WebhookState, WebhookEvent>;

const done = <T>(written: Exclude<Written, { kind: 'refused' }>, value: T): CommandResult<T> => ({
  kind: 'done',
  value,
  ...(written.position === undefined ? {} : { position: written.position }),
});

const nameOf = (webhookId: string, name: string) => ({ kind: 'webhook', name, id: webhookId }) as const;

@CommandHandler(ClaimWebhookName)
export class ClaimWebhookNameHandler implements ICommandHandler<ClaimWebhookName> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: ClaimWebhookName): Promise<CommandResult<void>> {
    const named = await claimName(this.transactor, nameOf(payload.webhook_id, payload.name), context);
    if (named.kind === 'refused') return named;
    return { kind: 'done', value: undefined, ...(named.position === undefined ? {} : { position: named.position }) };
  }
}

@CommandHandler(CreateWebhook)
export class CreateWebhookHandler implements ICommandHandler<CreateWebhook> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({
    payload: { webhook },
    context,
  }: CreateWebhook): Promise<CommandResult<{ webhook_id: string; endpoint_ref: string }>> {
    const id = webhook.webhook_id;
    const named = await claimName(this.transactor, nameOf(id, webhook.name), context);
    if (named.kind === 'refused') return named;
    const written = await this.transactor.transact(id, webhookDecider, { type: 'create', webhook }, context);
    if (written.kind === 'refused') return written;
    if (written.state.status === 'none') throw new Error('a created webhook has no state');
    return done(written, { webhook_id: id, endpoint_ref: written.state.webhook.endpoint_ref });
  }
}

@CommandHandler(DeleteWebhook)
export class DeleteWebhookHandler implements ICommandHandler<DeleteWebhook> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
  ) {}

  async execute({ payload: { webhook_id: id }, context }: DeleteWebhook): Promise<CommandResult<void>> {
    const written = await this.transactor.transact(id, webhookDecider, { type: 'delete' }, context);
    if (written.kind === 'refused') return written;
    // Also on a repeat: an earlier try may have ended here.
    await this.secrets.shred(id);
    if (written.state.status !== 'none') await this.release(id, written.state.webhook.name, context);
    return done(written, undefined);
  }

  private async release(id: string, name: string, context: CommandContext): Promise<void> {
    await releaseName(this.transactor, nameOf(id, name), context);
  }
}

@CommandHandler(RedeliverWebhook)
export class RedeliverWebhookHandler implements ICommandHandler<RedeliverWebhook> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: RedeliverWebhook): Promise<CommandResult<void>> {
    const command = { type: 'redeliver', eventIds: payload.event_ids } as const;
    const written = await this.transactor.transact(payload.webhook_id, webhookDecider, command, context);
    return written.kind === 'refused' ? written : done(written, undefined);
  }
}

export const handlers = [ClaimWebhookNameHandler, CreateWebhookHandler, DeleteWebhookHandler, RedeliverWebhookHandler];
