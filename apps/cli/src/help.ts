import { EXIT_CODES } from './errors.js';
import type { Parameter, Tool } from './tool.js';
import { commandOf, quote } from './tool-command.js';
import { OWN_VERBS } from './words.js';

export const USAGE = `drover: operate a Drover platform

  drover NOUN VERB [ARGUMENTS]     e.g. drover node list, drover instance drain ID; drover NOUN lists its verbs
  drover tool NAME [ARGUMENTS]     any operator tool by name
  drover tools                     all tools and their commands
  drover wait KIND/NAME --for=state=ready   until it is so; at once when it cannot be any more
  drover diff -f FILE              what apply would do: exit code 0 nothing, 1 something
  drover apply -f FILE [--prune]   make the fleet as the file says (also: --dry-run)
  drover node status               where each machine is in its provisioning, and when it was last heard
  drover top [SCREEN]              fleet, clusters, network, events or platform, drawn over and over
  drover recent-events [PREFIX]    what happened, newest last
  drover event watch [PREFIX]      events as they happen (see event watch --help; also: drover events --watch)
  drover why SUBJECT               why an instance, cluster or virtual IP is as it is
  drover explain TYPE[.FIELD]      what the fields of a resource mean
  drover schema [NOUN [VERB]]      JSON Schemas of commands and fleet files, for editors and programs (see schema --help)
  drover what-if TOOL [ARGUMENTS]  what a call would do; also drover what-if NOUN VERB …
  drover fleet at TIME             the fleet as it was
  drover vpn join                  bring this machine into a network (also: vpn refresh, list, revoke; see vpn --help)
  drover doctor [--fix]            checks what a command needs, from this machine to the platform's parts
  drover support [--out FILE]      one file for whoever helps, without secrets
  drover docs [NAME]               runbooks, tutorials and reference, offline
  drover context | login | logout  several platforms (see context --help)
  drover completion bash|zsh|fish  for the shell
  drover mcp                       an MCP server on stdin and stdout for an assistant (see mcp --help)
  drover lab ARGUMENTS             the lab on this machine

Arguments are key=value, --key value, or --json '{"key":"value"}'.
  -o FORMAT       table, wide, json, yaml, name, ndjson, jsonpath=PATH, columns=A,B; also --fields A,B and --no-headers
  --json          answer as {"success":true,"data":{…}}
  --watch, -w     with a list or get: again and again; on a pipe one change a line (--after CURSOR goes on)
  --at TIME       with what reads: as it was then (2026-11-20T10:00Z, or how long ago: 10m, 2d)
  --dry-run       with what changes something: what would follow, and nothing is changed
  --wait          with what goes on after its answer: its phases until it has ended (--timeout 5m)
  --yes-i-mean N  in scripts, with what changes a protected context: its name (see context --help)
  --context NAME  a platform of drover context list (DROVER_CONTEXT)
  --url URL       the platform (DROVER_URL; default http://127.0.0.1:8080)
  --token-file F  the token is in this file, - for stdin (DROVER_TOKEN, DROVER_TOKEN_FILE; default admin.token
                  in DROVER_DATA_DIR or ./data)
  --help          also after a command, or drover help NOUN VERB; drover help exit-codes`;

export const exitCodesHelp = (): string =>
  Object.entries(EXIT_CODES)
    .map(([code, text]) => `${code.padStart(5)}  ${text}`)
    .join('\n');

export const typeName = (p: Parameter): string => {
  if (p.enum !== undefined) return p.enum.map(String).join('|');
  return p.type ?? p.anyOf?.map((one) => typeName(one)).join(' or ') ?? 'any';
};

const example = (tool: Tool, args: Readonly<Record<string, unknown>>): string =>
  [`drover ${commandOf(tool)}`, ...Object.entries(args).map(([k, v]) => `${k}=${quote(v)}`)].join(' ');

export const toolHelp = (tool: Tool): string => {
  const required = new Set(tool.input_schema.required ?? []);
  const parameters = Object.entries(tool.input_schema.properties ?? {});
  const width = Math.max(0, ...parameters.map(([name]) => name.length));
  const lines = parameters.map(([name, p]) => {
    const note = [
      required.has(name) ? 'required' : '',
      p.default === undefined ? '' : `default ${JSON.stringify(p.default)}`,
    ];
    const notes = note.filter((n) => n !== '').join(', ');
    return `  ${name.padEnd(width)}  ${typeName(p)}${notes === '' ? '' : ` (${notes})`}${p.description === undefined ? '' : `  ${p.description}`}`;
  });
  const aliases = Object.entries(tool.aliases).map(([alias, name]) => `${alias} → ${name}`);
  return [
    `drover ${commandOf(tool)}   (tool ${tool.name}, ${tool.danger})`,
    `\n${tool.description}`,
    lines.length === 0 ? '\nIt takes no arguments.' : `\nArguments:\n${lines.join('\n')}`,
    ...(aliases.length === 0 ? [] : [`\nAlso accepted: ${aliases.join(', ')}`]),
    ...tool.examples.map((e) => `\n${e.title}:\n  ${example(tool, e.arguments)}`),
  ].join('\n');
};

/** What the CLI itself adds to a noun is listed with the rest. */
export const nounHelp = (noun: string, tools: readonly Tool[]): string => {
  const own = (OWN_VERBS[noun] ?? []).filter((verb) => !tools.some((t) => t.cli![1] === verb));
  return [
    ...tools.map((t) => [t.cli![1], t.summary]),
    ...own.map((verb) => [verb, `see drover ${noun} ${verb} --help`]),
  ]
    .map(([verb, text]) => `  drover ${noun} ${verb!.padEnd(18)} ${text}`)
    .join('\n');
};
