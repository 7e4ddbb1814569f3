import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const generation = {
  instance_id: idSchema('instance'),
  section: z.string(),
  /** Position in the log of the state that the section was compiled from. */
  generation: z.string().regex(/^\d+$/),
  /** What the section then named; not given when it had changed again by the time the node answered. */
  modules: z.array(z.string()).optional(),
  /** From the change in the log to the node's receipt; contains how long a node was away. */
  took_ms: z.number(),
  /** What the node itself needed for it. */
  apply_ms: z.number(),
};

/** A node has taken in what it is told to run, in a form that had changed. Whether that then runs, phases tell. */
export const ModulesGenerationApplied = defineEvent('system.module.generation_applied', 1, z.object(generation));
/** A node answered that it could not take it in. */
export const ModulesGenerationFailed = defineEvent(
  'system.module.generation_failed',
  1,
  z.object({ ...generation, errors: z.array(z.string()) }),
  { severity: 'warning' },
);

export const receiptEvents = [ModulesGenerationApplied, ModulesGenerationFailed] as const;
