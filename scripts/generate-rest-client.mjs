#!/usr/bin/env node
// Writes the types of a REST client from the OpenAPI document that the platform serves. `npm run types` does so before it
// checks what the tests call with them; a megabyte that anything in the registry changes is not kept in the repository.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';
import { CONTEXTS_WITH_TOOLS, loadDefinitions, TOOL_ENTRY } from './reference/definitions.mjs';
import { listedTools } from './reference/tools.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const file = join(root, 'apps/platform/src/http/testing/generated-client/gen/openapi.d.ts');

const definitions = await loadDefinitions([
  ...TOOL_ENTRY,
  `export { openApiDocument } from './libs/tools/src/rest/openapi.js';`,
]);
const document = definitions.openApiDocument(listedTools(definitions, CONTEXTS_WITH_TOOLS), '0');
const text = `// Made by scripts/generate-rest-client.mjs, not by hand.\n\n${astToString(await openapiTS(document))}`;
mkdirSync(dirname(file), { recursive: true });
// Left alone when it is the same: compiled copies go by the time of a file.
if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
