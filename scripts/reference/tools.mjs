import { boundsOf, GENERATED, table, typeOf } from './markdown.mjs';

export const GROUPS = {
  templates: 'Templates and modules',
  nodes: 'Nodes and instances',
  sdwan: 'Networks, peers, virtual IPs, access',
  kubernetes: 'Clusters',
  docker: 'Docker hosts',
  events: 'Events and audit',
  platform: 'The platform itself',
};
const DANGER = { read: 'changes nothing', change: 'can be undone', destroy: 'cannot be undone' };

/** Said once, at the top of the page. */
const OF_EVERY_CALL = new Set(['idempotency_key', 'dry_run', 'plan_id']);
const OF_EVERY_ANSWER = new Set(
  'outcome position correlation_id warnings read_model normalised dry_run operation pending approval_id'.split(' '),
);

const quote = (value) => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
};
const commandOf = (tool) => `drover ${tool.cli === undefined ? `tool ${tool.name}` : tool.cli.join(' ')}`;

const argumentRows = ({ input_schema: { properties = {}, required = [] }, aliases }) =>
  Object.entries(properties)
    .filter(([name]) => !OF_EVERY_CALL.has(name))
    .map(([name, schema]) => {
      const also = Object.keys(aliases).filter((alias) => aliases[alias] === name);
      const need = required.includes(name)
        ? 'required'
        : schema.default === undefined
          ? ''
          : `\`${JSON.stringify(schema.default)}\``;
      const notes = [
        schema.description?.replace(/\.$/, ''),
        boundsOf(schema),
        also.length === 0 ? '' : `Also: ${also.map((a) => `\`${a}\``).join(', ')}`,
      ];
      return [`\`${name}\``, typeOf(schema), need, notes.filter(Boolean).join('. ')];
    });

const example = (tool, { title, arguments: args }) =>
  [`# ${title}`, [commandOf(tool), ...Object.entries(args).map(([k, v]) => `${k}=${quote(v)}`)].join(' ')].join('\n');

const section = (tool) => {
  const rows = argumentRows(tool);
  const answer = Object.entries(tool.output_schema.properties ?? {}).filter(([name]) => !OF_EVERY_ANSWER.has(name));
  return [
    `### ${tool.name}`,
    tool.description,
    `\`${commandOf(tool)}\` · permission \`${tool.permission}\` · ${tool.danger}: ${DANGER[tool.danger]}${tool.disruptive ? ', disrupts what runs' : ''}`,
    rows.length === 0 ? 'No arguments.' : table(['argument', 'type', 'default', ''], rows),
    `Answers ${answer.map(([name, schema]) => `\`${name}\` (${typeOf(schema)})`).join(', ')}.`,
    ...(tool.examples.length === 0
      ? []
      : [`\`\`\`sh\n${tool.examples.map((e) => example(tool, e)).join('\n')}\n\`\`\``]),
  ].join('\n\n');
};

export const listedTools = (definitions, contexts) =>
  contexts
    .flatMap((name) => Object.values(definitions[`${name}Tools`]))
    .filter((value) => typeof value === 'object' && 'input' in value && 'output' in value)
    .map(definitions.toolListing);

export const toolsPage = (definitions, contexts) => {
  const tools = listedTools(definitions, contexts);
  const groups = Object.keys(GROUPS).filter((group) => tools.some((t) => t.group === group));
  return `${[
    '# Operator tools',
    GENERATED,
    `${tools.length} tools, the same over MCP (\`/mcp\`), REST (\`POST /api/v1/tools/NAME\`, the body holds the arguments) and the CLI. REST and
\`drover … --json\` answer \`{"success":true,"data":{…}}\` or \`{"success":false,"error":{code,message,field,hint,candidates}}\`. A tool that changes something
also answers \`outcome\` (\`done\`, or \`nothing\` when it was so already), \`position\`, \`correlation_id\` and \`warnings\`; repeated with the same
\`idempotency_key\` it happens once; with \`dry_run\` nothing happens, and \`dry_run\` in the answer tells what would: events, virtual IP moves, changes per
node, and a \`plan_id\` that guarded tokens have to give with what disrupts or destroys. What goes on after the answer has an \`operation\`. Unknown arguments are refused with the nearest name. Where an argument names a thing, its id and its name will do.`,
    ...groups.flatMap((group) => [`## ${GROUPS[group]}`, ...tools.filter((t) => t.group === group).map(section)]),
  ].join('\n\n')}\n`;
};
