import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const cluster_id = idSchema('cluster');

/** Its own API server has refused the platform (401 or 403) for a while. Once, until it lets it look at its nodes again. */
export const ApiRefused = defineEvent(
  'system.k3s.cluster.api_refused',
  1,
  z.object({
    cluster_id,
    status: z.number().int(),
    since: z.iso.datetime(),
    reason: z.string(),
    next_action: z.string(),
  }),
  { severity: 'high' },
);
export const ApiAccepted = defineEvent('system.k3s.cluster.api_accepted', 1, z.object({ cluster_id }));

export const accessEvents = [ApiRefused, ApiAccepted] as const;
