import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const template_id = idSchema('template');
/** Unique per assignment; a cluster is born from one k3s-server assignment and takes its id from it. */
const assignment_id = z.uuid();

export const TemplateCreated = defineEvent(
  'system.template.created',
  1,
  z.object({ template_id, name: z.string(), description: z.string(), driver: z.string().nullable() }),
);
export const TemplateUpdated = defineEvent(
  'system.template.updated',
  1,
  z.object({
    template_id,
    name: z.string().optional(),
    description: z.string().optional(),
    driver: z.string().nullable().optional(),
  }),
);
export const TemplateDeleted = defineEvent('system.template.deleted', 1, z.object({ template_id, name: z.string() }), {
  ends: 'template_id',
});

export const TemplateModuleAssigned = defineEvent(
  'system.template.module_assigned',
  1,
  z.object({
    template_id,
    assignment_id,
    module_name: z.string(),
    config: z.record(z.string(), z.unknown()),
    priority: z.number().int(),
    enabled: z.boolean(),
  }),
);
export const TemplateModuleUnassigned = defineEvent(
  'system.template.module_unassigned',
  1,
  z.object({ template_id, assignment_id, module_name: z.string() }),
);
/** Decommission suspends an assignment, so that level-based agents don't bootstrap anew; assigning again resumes it. */
export const TemplateAssignmentSuspended = defineEvent(
  'system.template.assignment_suspended',
  1,
  z.object({ template_id, assignment_id, reason: z.string() }),
);

export const templateEvents = [
  TemplateCreated,
  TemplateUpdated,
  TemplateDeleted,
  TemplateModuleAssigned,
  TemplateModuleUnassigned,
  TemplateAssignmentSuspended,
] as const;
