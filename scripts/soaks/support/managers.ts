import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { secretShredder } from '#access';
import { EventCatalogue } from '#kernel';
import type { ProcessManager } from '#processing';
import { platformEvents } from '../../../apps/platform/src/events.js';

const LIBS = join(import.meta.dirname, '../../../libs');

const isManager = (value: unknown): value is ProcessManager =>
  typeof value === 'object' && value !== null && ['agentId', 'correlate', 'react'].every((name) => name in value);

/** Sources under jest, compiled files in a soak. */
const files = (): string[] =>
  readdirSync(LIBS, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[jt]s$/.test(file) && !/spec\.[jt]s$|\.d\.ts$|\/testing\/|^processing\//.test(file))
    .filter((file) => readFileSync(join(LIBS, file), 'utf8').includes('defineProcessManager'));

/** Every process manager of the platform, found where it is defined: a check of what they did must not lack a new one. */
export const registeredManagers = async (): Promise<readonly ProcessManager[]> => {
  const all: unknown[] = [secretShredder(new EventCatalogue(platformEvents))];
  for (const file of files()) {
    // Relative, which jest maps to the source and Node to the compiled file.
    const path = `../../../libs/${file.replace(/\.ts$/, '.js')}`;
    all.push(...Object.values((await import(path)) as Record<string, unknown>));
  }
  return [...new Map(all.filter(isManager).map((one) => [one.name, one])).values()];
};
