import type { CommandClass } from './command.js';
import type { ProcessManager } from './process-manager.js';
import type { Projection } from './projection.js';

/** Where contexts register what the processing host runs, in onModuleInit, before it starts. */
export interface ProcessingRegistrar {
  addProjection<D extends object>(projection: Projection<D>): void;
  addProcessManager<S>(manager: ProcessManager<S>): void;
  /** Commands that process managers may send, by their static `type`. */
  addCommand<P extends object, T>(type: CommandClass<P, T>): void;
}

/** In a list of projections of different documents each registers itself, so that none loses its type. */
export interface ListedProjection {
  register(registrar: Pick<ProcessingRegistrar, 'addProjection'>): void;
}
export const listed = <D extends object>(projection: Projection<D>): ListedProjection => ({
  register: (registrar) => registrar.addProjection(projection),
});

export const PROCESSING_REGISTRAR = Symbol('ProcessingRegistrar');

/** For work that only one process may do: who writes about the world does it where the lead is. */
export interface LeadNews {
  /** Told when this process takes the lead, and when another one has it; at once when that is known already. */
  onLead(listener: (leads: boolean) => void): void;
}
export const LEADERSHIP = Symbol('Leadership');
