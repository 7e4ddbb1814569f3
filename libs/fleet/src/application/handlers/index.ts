import type { Use } from '../use.js';
import { instanceUses } from './instance-uses.js';
import { moduleUses } from './module-uses.js';
import { nodeUses } from './node-uses.js';
import { templateUses } from './template-uses.js';

/** Every command of this context with the function that carries it out. */
export const fleetUses: readonly Use[] = [...templateUses, ...nodeUses, ...instanceUses, ...moduleUses];
