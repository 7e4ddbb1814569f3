import { z } from 'zod';
import { defineTool } from '#tools';

const event = z.object({
  id: z.string(),
  kind: z.string(),
  payload: z.record(z.string(), z.unknown()),
  severity: z.enum(['info', 'warning', 'high', 'critical']),
  links: z.record(z.string(), z.string()),
  occurred_at: z.string(),
  correlation_id: z.string(),
  actor: z.object({ kind: z.string(), id: z.string() }),
  topics: z.array(z.string()).optional().describe('What it is found by besides its kind'),
});

export const recentEventsTool = defineTool({
  name: 'recent_events',
  group: 'events',
  summary: 'The newest events, oldest first',
  description:
    'The newest events of the account, oldest first. kind_prefix is what the kind, or one of the topics of the event, begins with, ' +
    'letter by letter: "system.k3s.handshake.join" includes join_request and join_refused, and the handshake.ready of a node that joined, ' +
    'because that has the topic system.k3s.handshake.join (an event that has topics shows them). To follow, call again with ' +
    'after = next_cursor: it answers the events since, oldest first.',
  input: z.object({
    kind_prefix: z.string().max(200).default('').describe('e.g. system.k3s.handshake'),
    limit: z.number().int().min(1).max(500).default(50),
    after: z.string().max(200).optional().describe('next_cursor of an earlier answer, or a position'),
    until: z
      .string()
      .max(200)
      .optional()
      .describe('The newest up to this position (as_of of fleet_state_at), or recorded by this time (ISO 8601)'),
  }),
  output: z.object({ events: z.array(event), next_cursor: z.string() }),
  permission: 'system.events.read',
  danger: 'read',
  aliases: { prefix: 'kind_prefix', kind: 'kind_prefix', cursor: 'after' },
  examples: [{ title: 'What the K3s handshakes did', arguments: { kind_prefix: 'system.k3s', limit: 20 } }],
  cli: ['event', 'list'],
});

const lag = z.number().int().nullable();
const UNCOUNTED = 'null when it is behind and they cannot be counted (kurrentdb)';

const part = z.object({
  name: z.string(),
  kind: z.enum(['projection', 'process_manager']),
  status: z.string(),
  lag: lag.describe(`Events of the log that it has not handled yet; ${UNCOUNTED}`),
  fault: z.string().optional(),
});

export const platformHealthTool = defineTool({
  name: 'platform_health',
  group: 'platform',
  summary: 'Whether the platform does its work',
  description: 'Version, event store, projections and process managers with their lag and faults, connected agents.',
  input: z.object({}),
  output: z.object({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    uptime_seconds: z.number().int(),
    role: z
      .enum(['leading', 'waiting', 'stopped'])
      .describe('Whether this process runs projections and process managers'),
    event_store: z.object({
      adapter: z.string(),
      events: z.number().int().optional().describe('How many there are; absent where that cannot be told (kurrentdb)'),
    }),
    parts: z.array(part),
    problems: z.array(z.string()),
    warnings: z
      .array(z.string())
      .describe('What needs somebody, though the platform does its work: webhooks whose endpoints take nothing'),
    certificates: z
      .array(z.object({ name: z.string(), not_after: z.string() }))
      .describe("The platform's own; those of agents are with the instances, those of K3s with the nodes of clusters"),
    audit: z
      .object({
        last_seal_at: z.string().nullable(),
        waiting_since: z.string().nullable(),
        seal_seconds: z.number().describe('No event should wait longer (DROVER_AUDIT_SEAL_SECONDS)'),
      })
      .describe('When the last seal was made, and since when an event waits for the next one; null: none does'),
  }),
  permission: 'platform.health.read',
  danger: 'read',
  examples: [{ title: 'Is all well?', arguments: {} }],
  cli: ['platform', 'health'],
});

const agent = z.object({
  agent_id: z.string(),
  process_managers: z.array(z.string()),
  status: z.string(),
  inputs: z.number().int().describe('Inputs taken in since the beginning'),
  lag: lag.describe(`Events it has not seen yet; ${UNCOUNTED}`),
});

export const listAgentsTool = defineTool({
  name: 'list_agents',
  group: 'platform',
  summary: "The platform's process managers",
  description:
    'The process managers that act on their own, e.g. sdwan_manager_agent. agent_introspect shows what one of them last decided and why.',
  input: z.object({}),
  output: z.object({ agents: z.array(agent) }),
  permission: 'platform.processing.read',
  danger: 'read',
  examples: [{ title: 'Who decides what by itself', arguments: {} }],
  cli: ['agent', 'list'],
});

const decision = z.object({
  process_manager: z.string(),
  at: z.string(),
  instance: z.string(),
  input: z.object({ kind: z.string(), of: z.string() }),
  outputs: z.array(z.string()),
  notes: z.array(z.string()),
});

export const agentIntrospectTool = defineTool({
  name: 'agent_introspect',
  group: 'platform',
  summary: 'What a process manager last decided, and why',
  description: 'The last inputs and decisions of a process manager with its notes, open timers, lag and faults.',
  input: z.object({
    agent_id: z.string().min(1).describe('e.g. sdwan_manager_agent; list_agents names them'),
    limit: z.number().int().min(1).max(50).default(10).describe('Newest decisions to show'),
  }),
  output: z.object({
    agent: agent.extend({
      faults: z.array(z.object({ lane: z.string(), error: z.string(), attempts: z.number().int() })),
      decisions: z.array(decision).describe('Newest last'),
    }),
  }),
  permission: 'platform.processing.read',
  danger: 'read',
  aliases: { id: 'agent_id', name: 'agent_id' },
  examples: [{ title: 'Why no virtual IP was allocated', arguments: { agent_id: 'sdwan_manager_agent' } }],
  cli: ['agent', 'introspect'],
});
