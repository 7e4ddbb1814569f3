import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const node_id = idSchema('node');

export const NodeCreated = defineEvent(
  'system.node.created',
  1,
  z.object({ node_id, name: z.string(), template_id: idSchema('template'), description: z.string() }),
);
export const NodeDeleted = defineEvent('system.node.deleted', 1, z.object({ node_id, name: z.string() }));

export const nodeEvents = [NodeCreated, NodeDeleted] as const;
