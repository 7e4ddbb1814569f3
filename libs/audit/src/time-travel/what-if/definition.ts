import { z } from 'zod';
import { defineTool } from '#tools';

const json = z.record(z.string(), z.unknown());

const event = z.object({
  at_ms: z.number().int().describe('Virtual milliseconds after the call'),
  kind: z.string(),
  stream: z.string().describe('What it is about'),
  payload: json,
  severity: z.string(),
  links: z.record(z.string(), z.string()),
  actor: z.object({ kind: z.string(), id: z.string() }),
  caused_by: z.enum(['call', 'other']).describe('other: it would happen without the call, too'),
});

const field = z.object({
  field: z.string(),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  added: z.array(z.unknown()).optional(),
  removed: z.array(z.unknown()).optional(),
});

const node = z.object({
  instance_id: z.string(),
  name: z.string().nullable(),
  sections: z.array(
    z.object({
      section: z.string(),
      changes: z.array(
        z.object({
          item: z.string().describe('e.g. peer/ID, vip/ID, route/PREFIX, module/NAME, interface'),
          change: z.enum(['added', 'removed', 'changed']),
          value: z.unknown().optional(),
          fields: z.array(field).optional(),
        }),
      ),
    }),
  ),
});

export const whatIfTool = defineTool({
  name: 'what_if',
  group: 'events',
  summary: 'What a changing tool would do, without doing it',
  description:
    'Runs a changing tool on a fork of the event log, with the real handlers and process managers on a virtual clock: the events ' +
    'that would follow within the horizon, the nodes whose desired state would change and how (per WireGuard peer), virtual IP ' +
    'moves, the refusal or warnings. Nothing is kept, sent or signed. Ids of things that would be made are placeholders; ' +
    'cannot_predict names what was assumed. Needs the permission of the tool that is tried.',
  input: z.object({
    tool: z.string().min(1).max(100).describe('Name of a tool that changes something, e.g. system_drain_instance'),
    arguments: json.default({}).describe('Its arguments'),
    horizon_seconds: z.number().int().min(0).max(3_600).default(60).describe('Virtual time to follow, for timers'),
  }),
  output: z.object({
    tool: z.string(),
    outcome: z
      .enum(['done', 'nothing', 'refused', 'failed', 'pending'])
      .describe('pending: not answered within the horizon; failed: the tool would break'),
    refusal: json.optional(),
    warnings: z.array(z.string()),
    answered_after_ms: z.number().int(),
    horizon_seconds: z.number().int(),
    forked_at: z.string().describe('Opaque position of the newest event that was taken into account'),
    events: z.array(event),
    decisions: z.array(
      z.object({
        at_ms: z.number().int(),
        process_manager: z.string(),
        instance: z.string(),
        input: z.string(),
        outputs: z.array(z.string()),
        notes: z.array(z.string()),
      }),
    ),
    nodes_touched: z.array(node),
    vip_moves: z.array(
      z.object({
        virtual_ip_id: z.string(),
        address: z.string().nullable(),
        from: z.string().nullable(),
        to: z.string().nullable(),
        epoch: z.number().int().nullable(),
        reason: z.string().nullable(),
        outcome: z.enum(['allocated', 'moved', 'moving', 'failed', 'stranded', 'released']),
        at_ms: z.number().int(),
      }),
    ),
    cannot_predict: z.array(z.string()),
    stopped_early: z.string().optional(),
  }),
  permission: 'system.events.read',
  danger: 'read',
  aliases: { name: 'tool', args: 'arguments', horizon: 'horizon_seconds' },
  examples: [
    { title: 'Before a drain', arguments: { tool: 'system_drain_instance', arguments: { id: 'k3s-server-1' } } },
    {
      title: 'Who would have to do what if the network became a mesh',
      arguments: { tool: 'system_sdwan_update_network', arguments: { network_id: 'prod', routing_mode: 'mesh' } },
    },
  ],
  cli: ['what', 'if'],
});
