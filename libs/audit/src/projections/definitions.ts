import { z } from 'zod';
import { defineTool } from '#tools';

const projection = z.object({
  name: z.string(),
  version: z.number().int(),
  status: z
    .enum(['live', 'catching_up', 'building', 'faulted'])
    .describe('building: beside the one that is read, until it has caught up; faulted: stands still at an event'),
  position: z.string().describe('Everything up to here is in it'),
  table: z.string().describe('Another one after each rebuild'),
  lag: z
    .number()
    .int()
    .nullable()
    .describe('Events of the log that it has not handled yet; null where they cannot be counted'),
  waiting_since: z.string().nullable().describe('When the first of them was recorded; null when there is none'),
  skipped: z.number().int().describe('Events that it passed because an operator ordered so'),
  fault: z.string().nullable(),
  fault_position: z.string().nullable().describe('Of the event that it cannot digest'),
  fault_attempts: z.number().int().nullable(),
  fault_since: z.string().nullable(),
  documents: z.number().int().optional(),
  digest: z.string().optional().describe('sha256 over all documents; equal content has equal digests'),
});

export const listProjectionsTool = defineTool({
  name: 'system_list_projections',
  group: 'platform',
  summary: 'The read models: version, lag, faults',
  description:
    'Every read model with its version, how far it is, and the event at which it stands still, if it does. A new version or a ' +
    'rebuild is listed beside the one that is read until it takes its place. With digest it also reads every document.',
  input: z.object({
    projection: z.string().max(60).optional().describe('Only this one'),
    digest: z.boolean().default(false).describe('Count the documents and digest their content'),
  }),
  output: z.object({ projections: z.array(projection), role: z.enum(['leading', 'waiting', 'stopped']) }),
  permission: 'platform.processing.read',
  danger: 'read',
  aliases: { name: 'projection' },
  examples: [{ title: 'What every read model holds', arguments: { digest: true } }],
  cli: ['projection', 'list'],
});

export const rebuildProjectionTool = defineTool({
  name: 'system_rebuild_projection',
  group: 'platform',
  summary: 'Builds a read model anew from the log',
  description:
    'Orders the leading process to build the read model anew from the first event on, beside the one that is read; readers get ' +
    'the new one, complete, when it has caught up. The order is in the log: it survives restarts and another process may carry it out.',
  input: z.object({
    projection: z.string().min(1).max(60).describe('system_list_projections names them'),
    reason: z.string().max(500).default('').describe('For the record'),
  }),
  output: z.object({ projection: z.string(), version: z.number().int() }),
  permission: 'platform.processing.manage',
  danger: 'change',
  aliases: { name: 'projection' },
  examples: [{ title: 'After a fault in the database', arguments: { projection: 'fleet_instances' } }],
  cli: ['projection', 'rebuild'],
});

export const skipPoisonEventTool = defineTool({
  name: 'system_skip_poison_event',
  group: 'platform',
  summary: 'Lets a read model pass an event that it cannot digest',
  description:
    'For a read model that stands still: this version of it passes the event at that position without folding it, now and in ' +
    'every rebuild. Who ordered it and why is in the log. The read model then lacks what the event says; a new version folds it ' +
    'again. Refused unless the read model stands still at that very event. It cannot be undone.',
  input: z.object({
    projection: z.string().min(1).max(60).describe('The one that stands still'),
    position: z.string().regex(/^\d+$/, 'digits').max(20).describe('fault_position of system_list_projections'),
    reason: z.string().min(3).max(500).describe('For the record'),
  }),
  output: z.object({
    projection: z.string(),
    version: z.number().int(),
    skipped: z.object({ position: z.string(), event_id: z.string(), event_type: z.string() }),
  }),
  permission: 'platform.processing.manage',
  danger: 'destroy',
  aliases: { name: 'projection' },
  examples: [
    {
      title: 'Let the list of instances go on',
      arguments: {
        projection: 'fleet_instances',
        position: '4711',
        reason: 'no column for a config of 2 MB; see ticket 12',
      },
    },
  ],
  cli: ['projection', 'skip'],
});
