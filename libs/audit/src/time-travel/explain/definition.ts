import { z } from 'zod';
import { defineTool } from '#tools';

const entry = z.object({
  id: z.string(),
  parent_id: z.string().nullable(),
  depth: z.number().int(),
  type: z
    .enum(['call', 'event', 'decision', 'report', 'applied'])
    .describe(
      'call: of a tool; decision: of a process manager; report: of a node; applied: nodes took over a generation',
    ),
  relation: z
    .enum(['caused_by', 'answers'])
    .nullable()
    .describe("caused_by: proven by the log's ids; answers: the newest instruction that fits what a node reported"),
  at: z.string(),
  after_ms: z.number().int().describe('Since its parent; of a root since the beginning of the story'),
  gap: z.boolean().describe('It had to be waited for: a second or more after its parent'),
  title: z.string(),
  kind: z.string().nullable(),
  actor: z.string(),
  severity: z.string(),
  correlation_id: z.string(),
});

export const explainTool = defineTool({
  name: 'explain',
  group: 'events',
  summary: 'Why something is as it is: the causal story of an instance, cluster or virtual IP',
  description:
    'From the tool call over commands, events and the decisions of process managers to what was pushed and what the nodes did, with ' +
    'durations per phase, gaps and failures. subject is an id or name. entries are in tree order: depth and parent_id say ' +
    'what led to what. from and to (ISO 8601 with a zone) cut the story to what happened between them; limit keeps the newest.',
  input: z.object({
    subject: z.string().min(1).max(200).describe('Id or name of an instance, cluster or virtual IP'),
    from: z.string().max(60).optional().describe('e.g. 2026-11-20T10:00:00Z'),
    to: z.string().max(60).optional(),
    limit: z.number().int().min(1).max(2_000).default(300).describe('At most so many entries'),
  }),
  output: z.object({
    subject: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
    now: z
      .object({
        state: z.string(),
        since: z.string().nullable(),
        causes: z.array(z.string()).describe('What is known to be wrong, in the words of who saw it'),
        next_action: z.string().nullable(),
      })
      .describe('How it stands, whatever from and to say'),
    began_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    duration_ms: z.number().int(),
    entries: z.array(entry),
    phases: z.array(
      z.object({
        name: z.string(),
        of: z.string(),
        started_at: z.string(),
        ended_at: z.string().nullable(),
        duration_ms: z.number().int().nullable(),
        outcome: z.enum(['done', 'failed', 'open']),
      }),
    ),
    failures: z.array(z.object({ at: z.string(), id: z.string(), kind: z.string(), reason: z.string() })),
    left_out: z.number().int().describe('Older entries that limit cut off'),
    incomplete: z.boolean().describe('The story was too large to be read whole; give from and to'),
  }),
  permission: 'system.events.read',
  danger: 'read',
  aliases: { id: 'subject', name: 'subject', since: 'from', until: 'to' },
  examples: [
    { title: 'How a server came up, and what held it up', arguments: { subject: 'k3s-server-1' } },
    {
      title: 'Why the virtual IP moved last night',
      arguments: { subject: 'k3s_api_endpoint', from: '2026-01-01T00:00:00Z' },
    },
  ],
  cli: ['event', 'explain'],
});
