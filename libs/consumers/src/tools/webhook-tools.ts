import {
  canonicalJson,
  deterministicId,
  isoTime,
  nearest,
  refusal,
  RefusedError,
  type Clock,
  type Config,
  type Random,
} from '#kernel';
import type { SecretStore } from '#access';
import { resolveByIdOrName } from '#fleet';
import type { ReadModels } from '#processing';
import type { CursorCodec, ToolCall, ToolRegistrar } from '#tools';
import { ClaimWebhookName, CreateWebhook, DeleteWebhook, RedeliverWebhook } from '../application/commands.js';
import { checkTarget } from '../domain/webhook/target.js';
import { webhooks, type WebhookDoc } from '../projections/webhooks.js';
import { checkFilter } from '../subscription/request.js';
import { endpointOf } from '../webhooks/endpoint.js';
import { deliver } from '../webhooks/lane.js';
import type { DeadLetter, WebhookRows } from '../webhooks/rows.js';
import { signingSecret } from '../webhooks/signature.js';
import type { WebhookTransport } from '../webhooks/transport.js';
import { webhookConditions } from './webhook-conditions.js';
import * as tools from './definitions.js';

export interface WebhookToolServices {
  readonly readModels: ReadModels;
  readonly rows: WebhookRows;
  readonly secrets: SecretStore;
  readonly transport: WebhookTransport;
  readonly cursors: CursorCodec;
  readonly clock: Clock;
  readonly random: Random;
  readonly config: Pick<Config, 'DROVER_WEBHOOK_ALLOW_PRIVATE'>;
  /** Every kind of event, for filters. */
  readonly kinds: readonly string[];
}

/** One connection and one lane each; more are a sign of a loop that creates them. */
const MAX_WEBHOOKS = 50;
const MAX_AT_ONCE = 500;
const LETTER_IDS = 1_000;

const list = (value: string | readonly string[]): string[] =>
  typeof value === 'string' ? value.split(',') : [...value];

const find = async (services: WebhookToolServices, call: ToolCall, wanted: string): Promise<WebhookDoc> => {
  const doc = await resolveByIdOrName(services.readModels, webhooks, wanted, {
    account: call.accountId,
    kind: 'webhook',
    field: 'webhook_id',
    listTool: 'system_list_webhooks',
    describe: ({ id, name }) => ({ id, name }),
    where: { status: 'active' },
  });
  if (doc.status === 'active') return doc;
  const hint = 'system_list_webhooks names those that there are';
  throw new RefusedError(
    refusal(404, 'webhook_not_found', `webhook ${doc.id} was deleted`, { field: 'webhook_id', hint }),
  );
};

const time = (ms: number | null | undefined): string | null => (ms == null ? null : isoTime(ms));

const view = async ({ rows, secrets, clock }: WebhookToolServices, doc: WebhookDoc) => {
  const { webhook, status, id, name, created_at } = doc;
  const state = await rows.state(id);
  const endpoint = await endpointOf(secrets)(webhook.endpoint_ref);
  const { kind_prefix, stream, subject, severity, max_attempts } = webhook;
  const isRetrying = status === 'active' && (state?.attempts ?? 0) > 0;
  return {
    id,
    name,
    url: endpoint?.url ?? null,
    kind_prefix,
    stream,
    subject,
    severity,
    max_attempts,
    status: isRetrying ? ('retrying' as const) : status,
    delivered: state?.delivered ?? 0,
    dead_letters: state?.deadLetters ?? 0,
    failed_attempts: state?.attempts ?? 0,
    next_attempt_at: isRetrying ? time(Math.max(state!.nextAttemptMs, clock.wallMs())) : null,
    health: doc.health,
    last_error: state?.lastError ?? null,
    last_delivered_at: time(state?.lastDeliveredMs),
    created_at,
    ...webhookConditions(doc, state),
  };
};

const tooMany = () =>
  new RefusedError(
    refusal(409, 'too_many_webhooks', `an account may have ${MAX_WEBHOOKS} webhooks`, {
      hint: 'delete one that is no longer needed',
    }),
  );

const registerCreate = (registrar: ToolRegistrar, services: WebhookToolServices): void => {
  const { readModels, secrets, random, config, kinds } = services;
  registrar.add(tools.createWebhookTool, async (input, call) => {
    const url = checkTarget(input.url, config.DROVER_WEBHOOK_ALLOW_PRIVATE === 'yes');
    if (!(url instanceof URL)) throw new RefusedError(url);
    const filter = { kind_prefix: list(input.kind_prefix), stream: list(input.stream), subject: list(input.subject) };
    checkFilter(filter, kinds);
    const where = { account: call.accountId, status: 'active' };
    if ((await readModels.find(webhooks, { where, limit: MAX_WEBHOOKS })).length >= MAX_WEBHOOKS) throw tooMany();
    const id = deterministicId('webhook', call.context.commandId);
    // Whatever can be refused comes before the secret: nobody would shred that of a webhook that never was.
    await call.run(ClaimWebhookName, { webhook_id: id, name: input.name });
    // Under a name of its own: racing tries of one call each keep theirs, and the event says which counts.
    const name = `endpoint-${Buffer.from(random.bytes(8)).toString('hex')}`;
    const endpoint = { url: url.href, secret: signingSecret(random.bytes(32)) };
    const { ref } = await secrets.put(id, name, canonicalJson(endpoint));
    const { severity, max_attempts } = input;
    const made = await call.run(CreateWebhook, {
      webhook: {
        webhook_id: id,
        name: input.name,
        origin: url.origin,
        endpoint_ref: ref,
        ...filter,
        severity,
        max_attempts,
      },
    });
    await call.settle(webhooks);
    const kept = await endpointOf(secrets)(made.endpoint_ref);
    if (kept === undefined)
      throw new RefusedError(
        refusal(410, 'webhook_deleted', 'this webhook was deleted again', { field: 'idempotency_key' }),
      );
    const doc = await readModels.get(webhooks, id);
    const fresh = {
      account: call.accountId,
      id,
      name: input.name,
      status: 'active' as const,
      health: 'well' as const,
      created_at: isoTime(call.context.nowMs),
    };
    const shown = doc ?? {
      ...fresh,
      webhook: {
        webhook_id: id,
        name: input.name,
        origin: url.origin,
        endpoint_ref: made.endpoint_ref,
        ...filter,
        severity,
        max_attempts,
      },
    };
    return { webhook: await view(services, shown), secret: kept.secret };
  });
};

const registerReads = (registrar: ToolRegistrar, services: WebhookToolServices): void => {
  const { readModels, rows, cursors } = services;
  registrar.add(tools.listWebhooksTool, async ({ limit, cursor }, call) => {
    const where = { account: call.accountId, status: 'active' };
    const page = await readModels.find(webhooks, {
      where,
      limit: limit + 1,
      ...(cursor === undefined ? {} : { after: cursor }),
    });
    const shown = page.slice(0, limit);
    const next_cursor = page.length > limit ? shown.at(-1)!.id : null;
    return { webhooks: await Promise.all(shown.map((doc) => view(services, doc))), next_cursor };
  });
  registrar.add(tools.getWebhookTool, async ({ webhook_id }, call) => ({
    webhook: await view(services, await find(services, call, webhook_id)),
  }));
  registrar.add(tools.listDeadLettersTool, async ({ webhook_id, limit, cursor }, call) => {
    const { id } = await find(services, call, webhook_id);
    const after = cursor === undefined ? {} : { after: cursors.decode(call.accountId, cursor, 'cursor') };
    const letters = await rows.letters(id, { limit: limit + 1, ...after });
    const shown = letters.slice(0, limit);
    const next_cursor = letters.length > limit ? cursors.encode(call.accountId, shown.at(-1)!.position) : null;
    return { dead_letters: shown.map(letterView), next_cursor };
  });
};

const letterView = (letter: DeadLetter) => ({
  event_id: letter.eventId,
  kind: letter.kind,
  attempts: letter.attempts,
  error: letter.error,
  dead_at: isoTime(letter.deadMs),
  redelivery_requested: letter.requested,
});

const registerActions = (registrar: ToolRegistrar, services: WebhookToolServices): void => {
  const { rows, secrets, transport, clock } = services;
  registrar.add(tools.deleteWebhookTool, async ({ webhook_id }, call) => {
    const { id } = await find(services, call, webhook_id);
    await call.run(DeleteWebhook, { webhook_id: id });
    await call.settle(webhooks);
    return { deleted: true };
  });
  registrar.add(tools.testWebhookTool, async ({ webhook_id }, call) => {
    const { webhook, id } = await find(services, call, webhook_id);
    const ping = {
      id: call.context.commandId,
      kind: 'system.webhook.ping',
      payload: { webhook_id: id },
      occurred_at: isoTime(call.context.nowMs),
    };
    const began = clock.monotonicMs();
    const message = { id: ping.id, json: JSON.stringify(ping) };
    const outcome = await deliver(
      { endpoint: endpointOf(secrets), transport, clock },
      webhook.endpoint_ref,
      message,
      new AbortController().signal,
    );
    const { status } = outcome;
    const error = outcome.kind === 'ok' ? {} : { error: outcome.error };
    const duration_ms = Math.round(clock.monotonicMs() - began);
    return { delivered: outcome.kind === 'ok', ...(status === undefined ? {} : { status }), ...error, duration_ms };
  });
  registrar.add(tools.redeliverWebhookTool, async (input, call) => {
    const { id } = await find(services, call, input.webhook_id);
    const named = list(input.event_id);
    const letters = await rows.letters(id, { limit: named.length === 0 ? MAX_AT_ONCE : LETTER_IDS });
    const ids = letters.map((letter) => letter.eventId);
    const unknown = named.find((one) => !ids.includes(one));
    if (unknown !== undefined) throw noLetter(unknown, ids);
    const event_ids = named.length === 0 ? ids : named;
    await call.run(RedeliverWebhook, { webhook_id: id, event_ids });
    return { requested: event_ids.length };
  });
};

const noLetter = (wanted: string, ids: readonly string[]): RefusedError => {
  const near = nearest(wanted, ids);
  return new RefusedError(
    refusal(404, 'dead_letter_not_found', `${wanted} is no dead letter of this webhook`, {
      field: 'event_id',
      hint: near === undefined ? 'system_list_webhook_dead_letters names them' : `did you mean ${near}?`,
      ...(near === undefined ? {} : { candidates: [{ id: near }] }),
    }),
  );
};

export const registerWebhookTools = (registrar: ToolRegistrar, services: WebhookToolServices): void => {
  registerCreate(registrar, services);
  registerReads(registrar, services);
  registerActions(registrar, services);
};
