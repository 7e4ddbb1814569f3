import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';

const severity = z.enum(['info', 'warning', 'high', 'critical']);
const oneOrMore = z.union([z.string().min(1).max(200), z.array(z.string().min(1).max(200)).max(50)]).default([]);
const webhookId = z.string().min(1).max(200).describe('Id or name');

const webhook = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string().nullable(),
  kind_prefix: z.array(z.string()),
  stream: z.array(z.string()),
  subject: z.array(z.string()),
  severity,
  max_attempts: z.number().int(),
  status: z.enum(['active', 'retrying', 'deleted']),
  delivered: z.number().int(),
  dead_letters: z.number().int(),
  failed_attempts: z.number().int().describe('At the event that comes next'),
  next_attempt_at: z.string().nullable(),
  health: z
    .enum(['well', 'failing', 'dead_lettering'])
    .describe('failing: three tries in a row failed; dead_lettering: events were given up. Until a delivery succeeds'),
  last_error: z.string().nullable(),
  last_delivered_at: z.string().nullable(),
  created_at: z.string(),
  ...resourceStatus,
});

export const createWebhookTool = defineTool({
  name: 'system_create_webhook',
  group: 'events',
  summary: 'Sends events to a URL as they happen',
  description:
    'Sends the events from now on that pass the filters to a URL: in order, each at least once, signed as Standard Webhooks ' +
    'say (webhook-id is the event id). Retried with growing pauses up to max_attempts times, then a dead letter. The signing ' +
    'secret is answered here and never again. Sends data out of the platform: what was sent cannot be taken back.',
  input: z.object({
    name: z.string().min(1).max(100),
    url: z
      .string()
      .min(1)
      .max(2_000)
      .describe('http or https; must be a public address unless the platform allows others'),
    kind_prefix: oneOrMore.describe(
      'What kinds or topics of events begin with, letter by letter, e.g. system.k3s; several separated by commas. All kinds when left out',
    ),
    stream: oneOrMore.describe('Only events of these streams: ids of entities, or what ids begin with, e.g. cluster-'),
    subject: oneOrMore.describe('Only events of these entities and events that link to them (ids)'),
    severity: severity.default('info').describe('At least this severe'),
    max_attempts: z.number().int().min(1).max(20).default(10).describe('10 tries take about 9 minutes'),
  }),
  output: z.object({ webhook, secret: z.string().describe('whsec_…: keep it, it is not shown again') }),
  permission: 'system.webhooks.write',
  danger: 'destroy',
  aliases: { endpoint: 'url', prefix: 'kind_prefix' },
  examples: [
    {
      title: 'Tell a chat about trouble',
      arguments: { name: 'trouble', url: 'https://hooks.example.com/drover', severity: 'warning' },
    },
  ],
  cli: ['webhook', 'create'],
});

export const listWebhooksTool = defineTool({
  name: 'system_list_webhooks',
  group: 'events',
  summary: 'The webhooks, and how they are doing',
  description:
    'The webhooks of the account with what they delivered, what failed last and how many dead letters they have.',
  input: z.object({
    limit: z.number().int().min(1).max(100).default(50),
    cursor: z.string().max(200).optional(),
  }),
  output: z.object({ webhooks: z.array(webhook), next_cursor: z.string().nullable() }),
  permission: 'system.webhooks.read',
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['webhook', 'list'],
});

export const getWebhookTool = defineTool({
  name: 'system_get_webhook',
  group: 'events',
  summary: 'One webhook',
  description: 'One webhook with what it delivered, what failed last and how many dead letters it has.',
  input: z.object({ webhook_id: webhookId }),
  output: z.object({ webhook }),
  permission: 'system.webhooks.read',
  danger: 'read',
  aliases: { id: 'webhook_id', name: 'webhook_id' },
  examples: [{ title: 'How it is doing', arguments: { webhook_id: 'chat' } }],
  cli: ['webhook', 'get'],
});

export const deleteWebhookTool = defineTool({
  name: 'system_delete_webhook',
  group: 'events',
  summary: 'Ends a webhook',
  description: 'Ends deliveries, shreds the signing secret and forgets the dead letters. The events stay in the log.',
  input: z.object({ webhook_id: webhookId }),
  output: z.object({ deleted: z.boolean() }),
  permission: 'system.webhooks.write',
  danger: 'destroy',
  aliases: { id: 'webhook_id', name: 'webhook_id' },
  examples: [{ title: 'No more messages', arguments: { webhook_id: 'chat' } }],
  cli: ['webhook', 'delete'],
});

export const testWebhookTool = defineTool({
  name: 'system_test_webhook',
  group: 'events',
  summary: 'Sends a signed ping and shows what came of it',
  description:
    'Sends one signed message of kind system.webhook.ping at once, without retries, and answers what the endpoint said.',
  input: z.object({ webhook_id: webhookId }),
  output: z.object({
    delivered: z.boolean(),
    status: z.number().int().optional().describe('HTTP'),
    error: z.string().optional(),
    duration_ms: z.number().int(),
  }),
  permission: 'system.webhooks.write',
  danger: 'change',
  aliases: { id: 'webhook_id', name: 'webhook_id' },
  examples: [{ title: 'Does it arrive?', arguments: { webhook_id: 'chat' } }],
  cli: ['webhook', 'test'],
});

export const listDeadLettersTool = defineTool({
  name: 'system_list_webhook_dead_letters',
  group: 'events',
  summary: 'Events that a webhook gave up',
  description:
    'Events that could not be delivered, oldest first, with the last error. system_redeliver_webhook sends them again.',
  input: z.object({
    webhook_id: webhookId,
    limit: z.number().int().min(1).max(200).default(50),
    cursor: z.string().max(200).optional(),
  }),
  output: z.object({
    dead_letters: z.array(
      z.object({
        event_id: z.string(),
        kind: z.string(),
        attempts: z.number().int(),
        error: z.string(),
        dead_at: z.string(),
        redelivery_requested: z.boolean(),
      }),
    ),
    next_cursor: z.string().nullable(),
  }),
  permission: 'system.webhooks.read',
  danger: 'read',
  aliases: { id: 'webhook_id', name: 'webhook_id' },
  examples: [{ title: 'What was given up', arguments: { webhook_id: 'chat' } }],
  cli: ['webhook', 'dead-letters'],
});

export const redeliverWebhookTool = defineTool({
  name: 'system_redeliver_webhook',
  group: 'events',
  summary: 'Sends dead letters again',
  description:
    'Sends the named dead letters again, or the oldest 500 when none is named: once each, at once, beside the events that are ' +
    'due. What fails again stays a dead letter.',
  input: z.object({
    webhook_id: webhookId,
    event_id: oneOrMore.describe('As system_list_webhook_dead_letters names them; several separated by commas'),
  }),
  output: z.object({ requested: z.number().int() }),
  permission: 'system.webhooks.write',
  danger: 'change',
  aliases: { id: 'webhook_id', name: 'webhook_id', event_ids: 'event_id' },
  examples: [{ title: 'All that was given up', arguments: { webhook_id: 'chat' } }],
  cli: ['webhook', 'redeliver'],
});
