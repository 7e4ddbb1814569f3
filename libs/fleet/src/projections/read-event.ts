import type { RecordedEvent } from '#event-store';
import type { fleetEvents } from '../domain/events.js';
import type { EventOf } from '#kernel';

export type FleetEvent = EventOf<(typeof fleetEvents)[number]>;

/** A recorded event as the union of fleet's own; `switch` on its type and leave the rest to `default`. */
export const fleetEvent = (event: RecordedEvent): FleetEvent =>
  ({ type: event.type, data: event.data }) as unknown as FleetEvent;
