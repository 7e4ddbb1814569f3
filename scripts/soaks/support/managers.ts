import * as fleet from '#fleet';
import { secretShredder } from '#access';
import { EventCatalogue } from '#kernel';
import type { ProcessManager } from '#processing';
import { sdwanManager } from '#sdwan';
import { platformEvents } from '../../../apps/platform/src/events.js';
import * as termination from '../../../libs/fleet/src/application/fleet-termination.js';
import * as departure from '../../../libs/kubernetes/src/application/departure-manager.js';
import * as kubernetes from '../../../libs/kubernetes/src/application/managers.js';

const isManager = (value: unknown): value is ProcessManager =>
  typeof value === 'object' && value !== null && ['agentId', 'correlate', 'react'].every((name) => name in value);

/** Every process manager of the platform; a stream of one that is missing here breaks the check of their effects. */
export const registeredManagers = (): readonly ProcessManager[] => {
  const exported: readonly unknown[] = [fleet, termination, departure, kubernetes].flatMap((one) =>
    Object.values<unknown>(one),
  );
  const all = [...exported, sdwanManager, secretShredder(new EventCatalogue(platformEvents))].filter(isManager);
  return [...new Map(all.map((one) => [one.name, one])).values()];
};
