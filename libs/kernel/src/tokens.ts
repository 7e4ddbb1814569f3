/** Dependency injection tokens of the kernel's ports. Contexts ask for ports by these, never for adapters. */
export const EVENT_CATALOGUE = Symbol('EventCatalogue');
export const CONFIG = Symbol('Config');
export const CLOCK = Symbol('Clock');
export const TIMERS = Symbol('Timers');
export const IDS = Symbol('Ids');
export const RANDOM = Symbol('Random');
export const LOG = Symbol('Log');
