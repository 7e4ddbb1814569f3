// The definitions of tools, events and settings, read from the TypeScript sources: no build is needed first.
import { fromSources } from '../from-sources.mjs';

/** `#tools` brings the registry and Nest with it; a definition asks it for defineTool only, so the rest is shaken out. */
export const loadDefinitions = (entry) => fromSources(entry, { '#tools': 'libs/tools/src/definitions-only.ts' });

/** Where the definitions of tools lie: each context's own, and those of audit, which lie beside what they do. */
const DEFINITIONS = {
  ...Object.fromEntries(
    ['fleet', 'sdwan', 'kubernetes', 'docker', 'audit', 'consumers', 'tools'].map((name) => [
      name,
      `${name}/src/tools/definitions.js`,
    ]),
  ),
  auditLog: 'audit/src/tools/audit-definitions.js',
  masterKey: 'audit/src/tools/rotate-master-key.js',
  projections: 'audit/src/projections/definitions.js',
  explain: 'audit/src/time-travel/explain/definition.js',
  past: 'audit/src/time-travel/fleet-state-definition.js',
  whatIf: 'audit/src/time-travel/what-if/definition.js',
};
export const CONTEXTS_WITH_TOOLS = Object.keys(DEFINITIONS);
export const TOOL_ENTRY = [
  ...Object.entries(DEFINITIONS).map(([name, file]) => `export * as ${name}Tools from './libs/${file}';`),
  `export { toolListing } from './libs/tools/src/tool-schema.js';`,
];
