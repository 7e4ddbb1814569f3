import { GENERATED, table, typeOf } from './markdown.mjs';
import { GROUPS } from './tools.mjs';

/** The commands that are no nouns of the registry, by the text that their --help prints. */
export const CLI_ENTRY = [
  `export { USAGE } from './apps/cli/src/help.js';`,
  `export { EXIT_CODES } from './apps/cli/src/errors.js';`,
  `export { OWN_VERBS } from './apps/cli/src/words.js';`,
  `export { APPLY_USAGE } from './apps/cli/src/apply/command.js';`,
  `export { SCHEMA_USAGE } from './apps/cli/src/schema/usage.js';`,
  `export { WAIT_USAGE } from './apps/cli/src/wait.js';`,
  `export { EVENT_USAGE } from './apps/cli/src/event-flags.js';`,
  `export { CONTEXT_USAGE } from './apps/cli/src/contexts/command.js';`,
  `export { VPN_USAGE } from './apps/cli/src/vpn-flags.js';`,
  `export { AUDIT_USAGE } from './apps/cli/src/audit-flags.js';`,
  `export { MCP_USAGE } from './apps/cli/src/mcp.js';`,
];

const USAGES = {
  'apply and diff': 'APPLY_USAGE',
  schema: 'SCHEMA_USAGE',
  wait: 'WAIT_USAGE',
  'event watch': 'EVENT_USAGE',
  'context and login': 'CONTEXT_USAGE',
  vpn: 'VPN_USAGE',
  audit: 'AUDIT_USAGE',
  mcp: 'MCP_USAGE',
};

const ENVIRONMENT = [
  ['DROVER_URL', 'The platform; the current context counts for nothing then, its token neither'],
  ['DROVER_TOKEN, DROVER_TOKEN_FILE', 'The token, or the file that it is in'],
  ['DROVER_CONTEXT', 'The context for this command'],
  ['DROVER_DATA_DIR', 'The data directory of a platform on this machine: its `admin.token` is taken'],
  ['XDG_CONFIG_HOME, XDG_STATE_HOME', 'Where contexts and the records of apply are kept'],
  ['NO_COLOR', 'No colours'],
  ['DROVER_DEBUG', 'What goes wrong while a shell completes is written to stderr'],
];

const block = (text) => `\`\`\`text\n${text.trimEnd()}\n\`\`\``;

/** Of every call that changes something: said once, above the tables. */
const OF_EVERY_CALL = new Set(['idempotency_key', 'dry_run', 'plan_id']);

const argumentsOf = ({ input_schema: { properties = {}, required = [] } }) => {
  const names = Object.keys(properties).filter((name) => !OF_EVERY_CALL.has(name));
  const word = (name) =>
    required.includes(name) ? `**${name}**` : properties[name].enum ? `${name} (${typeOf(properties[name])})` : name;
  return names
    .toSorted((a, b) => required.includes(b) - required.includes(a))
    .map(word)
    .join(', ');
};

const verbs = (tools) =>
  table(
    ['command', '', 'arguments', ''],
    tools
      .toSorted((a, b) => (a.cli.join(' ') < b.cli.join(' ') ? -1 : 1))
      .map((tool) => [`\`drover ${tool.cli.join(' ')}\``, tool.danger, argumentsOf(tool), tool.summary]),
  );

export const cliPage = (definitions, tools) => {
  const named = tools.filter(({ cli }) => cli !== undefined);
  const unnamed = tools.filter(({ cli }) => cli === undefined);
  const groups = Object.keys(GROUPS).filter((group) => named.some((tool) => tool.group === group));
  return `${[
    '# The command line',
    GENERATED,
    block(definitions.USAGE),
    '## Exit codes',
    table(
      ['code', ''],
      Object.entries(definitions.EXIT_CODES).map(([code, text]) => [`\`${code}\``, text]),
    ),
    '## Environment',
    table(
      ['variable', ''],
      ENVIRONMENT.map(([name, text]) => [name.replaceAll(/[A-Z_]{4,}/g, '`$&`'), text]),
    ),
    '## Nouns and verbs',
    `What has to be given is **bold**; it may be given without its name when it is the first. What changes something also takes \`--dry-run\`, \`--wait\` and
\`idempotency_key=KEY\`, what reads \`--watch\`, and lists and gets \`--at TIME\`. [The tools](tools.md) tell what each argument means.`,
    ...groups.flatMap((group) => [`### ${GROUPS[group]}`, verbs(named.filter((tool) => tool.group === group))]),
    ...(unnamed.length === 0
      ? []
      : [`By name only (\`drover tool NAME\`): ${unnamed.map(({ name }) => `\`${name}\``).join(', ')}.`]),
    `Beside the tools: ${Object.entries(definitions.OWN_VERBS)
      .flatMap(([noun, all]) => all.map((verb) => `\`drover ${noun} ${verb}\``))
      .join(', ')}.`,
    ...Object.entries(USAGES).flatMap(([title, name]) => [`## ${title}`, block(definitions[name])]),
  ].join('\n\n')}\n`;
};
