#!/usr/bin/env node
// Freezes each event type and version that has no fixture in test/fixtures/events yet: `npm run freeze:events`.
// Never writes a file that is there: what stands in logs stays readable, or the tests say why not.
import { join } from 'node:path';
import { fromSources, root } from './from-sources.mjs';

const { freeze, platformEvents } = await fromSources([
  `export { freeze } from './test/evolution/support/fixtures.js';`,
  `export { platformEvents } from './apps/platform/src/events.js';`,
]);
const made = freeze(platformEvents, join(root, 'test/fixtures/events'));
console.log(made.length === 0 ? 'every event type and version is frozen already' : `frozen:\n  ${made.join('\n  ')}`);
