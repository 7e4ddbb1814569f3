#!/usr/bin/env node
// Writes docs/reference/{tools,cli,permissions,events,settings}.md from the definitions in the sources: `npm run reference`.
// With --out DIR they go there (check-generated.mjs compares). Reads the TypeScript, so no build is needed first.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI_ENTRY, cliPage } from './reference/cli.mjs';
import { CONTEXTS_WITH_TOOLS, loadDefinitions, TOOL_ENTRY } from './reference/definitions.mjs';
import { eventsPage } from './reference/events.mjs';
import { permissionsPage } from './reference/permissions.mjs';
import { settingsPage } from './reference/settings.mjs';
import { listedTools, toolsPage } from './reference/tools.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = process.argv.indexOf('--out');
const out = at < 0 ? join(root, 'docs/reference') : process.argv[at + 1];

const ENTRY = [
  ...TOOL_ENTRY,
  ...CLI_ENTRY,
  `export { settingsSchema } from './libs/kernel/src/config.js';`,
  `export { PERMISSIONS } from './libs/access/src/domain/permissions.js';`,
  `export { accessEvents } from './libs/access/src/domain/events.js';`,
  `export { fleetEvents } from './libs/fleet/src/domain/events.js';`,
  `export { sdwanEvents } from './libs/sdwan/src/domain/events.js';`,
  `export { consumerEvents } from './libs/consumers/src/domain/webhook/events.js';`,
  `export { toolEvents } from './libs/tools/src/approvals/events.js';`,
  `export { dockerEvents } from './libs/docker/src/domain/events.js';`,
  `export { kubernetesEvents } from './libs/kubernetes/src/domain/events.js';`,
  `export { z } from 'zod';`,
];

const definitions = await loadDefinitions(ENTRY);
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'tools.md'), toolsPage(definitions, CONTEXTS_WITH_TOOLS));
const tools = listedTools(definitions, CONTEXTS_WITH_TOOLS);
writeFileSync(join(out, 'cli.md'), cliPage(definitions, tools));
writeFileSync(join(out, 'permissions.md'), permissionsPage(definitions.PERMISSIONS, tools));
writeFileSync(join(out, 'events.md'), eventsPage(definitions));
writeFileSync(join(out, 'settings.md'), settingsPage(definitions));
