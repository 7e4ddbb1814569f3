import type { EventDefinition } from '#kernel';
import { accessEvents } from '#access';
import { consumerEvents } from '#consumers';
import { fleetEvents } from '#fleet';
import { kubernetesEvents } from '#kubernetes';
import { processingEvents } from '#processing';
import { sdwanEvents } from '#sdwan';

/** Every event that the platform writes or reads. What is not here cannot be appended, and fails to be read. */
export const platformEvents: readonly EventDefinition[] = [
  ...accessEvents,
  ...fleetEvents,
  ...sdwanEvents,
  ...kubernetesEvents,
  ...consumerEvents,
  ...processingEvents,
] as unknown as readonly EventDefinition[];
