import type { EventDefinition } from '#kernel';
import { accessEvents } from '#access';
import { auditEvents } from '#audit';
import { consumerEvents } from '#consumers';
import { dockerEvents } from '#docker';
import { fleetEvents } from '#fleet';
import { kubernetesEvents } from '#kubernetes';
import { processingEvents } from '#processing';
import { sdwanEvents } from '#sdwan';
import { toolEvents } from '#tools';

/** Every event that the platform writes or reads. What is not here cannot be appended, and fails to be read. */
export const platformEvents: readonly EventDefinition[] = [
  ...accessEvents,
  ...auditEvents,
  ...fleetEvents,
  ...sdwanEvents,
  ...kubernetesEvents,
  ...dockerEvents,
  ...consumerEvents,
  ...toolEvents,
  ...processingEvents,
] as unknown as readonly EventDefinition[];
