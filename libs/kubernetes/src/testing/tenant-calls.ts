import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as client from '@kubernetes/client-node';

const SOURCES = dirname(dirname(fileURLToPath(import.meta.url)));

const sources = (): string[] =>
  readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('-spec.ts') && !path.startsWith('testing'))
    .map((path) => readFileSync(join(SOURCES, path), 'utf8'));

/** Every method of every API class of the official client. */
const apiMethods = (): ReadonlySet<string> => {
  // KubernetesObjectApi has methods called `read` and `list` for whatever kind, and is not used here.
  const classes = Object.entries(client).filter(
    ([name, value]) => name.endsWith('Api') && name !== 'KubernetesObjectApi' && typeof value === 'function',
  );
  const names = classes.flatMap(([, value]) => Object.getOwnPropertyNames((value as { prototype: object }).prototype));
  return new Set(names.filter((name) => name !== 'constructor'));
};

/**
 * What this library asks of machines that tenants own, as its own source says: methods of the Kubernetes API, watched paths, K3s'
 * own endpoints and the operations of the agent's channel. Each brings text back.
 */
export const tenantCalls = (): readonly string[] => {
  const methods = apiMethods();
  const found = new Set<string>();
  for (const text of sources()) {
    for (const [, name] of text.matchAll(/\.(\w+)\(/g)) if (methods.has(name!)) found.add(name!);
    for (const [, path] of text.matchAll(/\.watch\('([^']+)'/g)) found.add(`watch ${path}`);
    for (const [, path] of text.matchAll(/[:'6443](\/(?:db|v1-k3s)\/[\w/-]+)[`']/g)) found.add(path!);
    for (const [, operation] of text.matchAll(/operation: '(\w+)'/g)) found.add(`/db/snapshot ${operation}`);
    for (const [, op] of text.matchAll(/\bop: '(\w+)'/g)) found.add(`channel ${op}`);
  }
  return [...found].sort();
};
