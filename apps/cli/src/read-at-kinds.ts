import type { Tool } from './catalogue.js';
import { CliError } from './errors.js';
import type { Row } from './read-at-filter.js';

/** What fleet_state_at can show, by noun, and what a list of it is called. */
const KINDS: Readonly<Record<string, readonly [kind: string, list?: string]>> = {
  template: ['templates'],
  node: ['nodes'],
  instance: ['instances'],
  cluster: ['clusters'],
  network: ['networks'],
  peer: ['peers'],
  vip: ['virtual_ips'],
  firewall: ['firewall_rules'],
  grant: ['grants'],
  docker: ['docker_hosts', 'hosts'],
  snapshot: ['snapshots'],
  kubeconfig: ['kubeconfigs'],
  webhook: ['webhooks'],
  operator: ['operators'],
  token: ['operators', 'tokens'],
};

/** How a command's answer is made of what there was: of all of it, or of the one that is asked for. */
export interface Past {
  readonly kind: string;
  list(rows: readonly Row[]): Row;
  readonly one?: (view: Row, verb: string, document: Row) => Row;
}

/** What has a command of its own. */
const plain = ({ nodes: _nodes, tokens: _tokens, kind: _kind, ...row }: Row): Row => row;

const newest = (rows: readonly Row[], by: string): readonly Row[] =>
  rows.toSorted((a, b) => String(b[by]).localeCompare(String(a[by])));

const LISTS: Readonly<Record<string, (rows: readonly Row[]) => Row>> = {
  // The schedule is of now only: its changes are events of the cluster.
  snapshot: (rows) => {
    const of = (kind: string) => newest(rows, 'created_at').filter((row) => row.kind === kind);
    return { snapshots: of('snapshot').map(plain), restores: of('restore').map(plain) };
  },
  kubeconfig: (rows) => ({ kubeconfigs: newest(rows, 'issued_at') }),
  token: (rows) => ({ tokens: rows.flatMap((row) => row.tokens as readonly Row[]) }),
};

export const pastOf = (tool: Tool | undefined): Past | undefined => {
  const [noun = '', verb = ''] = tool?.cli ?? [];
  const [kind, name = kind] = KINDS[noun] ?? [];
  if (kind === undefined) return undefined;
  const list = LISTS[noun] ?? ((rows: readonly Row[]) => ({ [name!]: rows.map(plain) }));
  if (verb === 'list') return { kind, list };
  if (verb === 'get') return { kind, list, one: (view) => ({ [noun]: plain(view) }) };
  if (noun === 'cluster' && verb === 'nodes') return { kind, list, one: (view) => ({ nodes: view.nodes }) };
  if (noun === 'vip' && verb === 'assignments') return { kind, list, one: assignments };
  return undefined;
};

const assignments = (view: Row, _verb: string, { assignments: all }: Row): Row => ({
  assignments: ((all ?? []) as readonly Row[]).map((one) => ({ virtual_ip_id: view.id, ...one })),
});

/** Why the past of a command is not kept, and what comes nearest. */
const INSTEAD: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  'instance silent': ['who is silent is measured, not logged', 'drover instance list --at TIME shows who was lost'],
  'cluster kubeconfig': ['it opens the cluster as it is now', 'drover kubeconfig list --at TIME shows who had one'],
  'cluster upgrade-status': [
    'it is the last rollout as it stands',
    'drover why CLUSTER --at TIME; drover cluster nodes CLUSTER --at TIME',
  ],
  'vpn list': ['a device is a grant and its peer', 'drover grant list --at TIME; drover peer list --at TIME'],
  'webhook dead-letters': [
    'what could not be delivered is kept beside the log',
    'drover webhook get NAME --at TIME shows how it did',
  ],
};

const logged = (noun: string, prefix: string): readonly [string, string] => [
  `what ${noun}s were is not folded for the past`,
  `drover recent-events ${prefix} --at TIME lists what happened to them by then`,
];
const BY_NOUN: Readonly<Record<string, readonly [string, string]>> = {
  module: logged('module', 'system.module'),
  approval: logged('approval', 'system.approval'),
  policy: [
    'rules are kept as they are',
    'drover recent-events system.tool_policy --at TIME lists their changes by then',
  ],
  operation: ['an operation is the subject’s own state', 'drover why SUBJECT --at TIME'],
  audit: ['it is about the log itself, which never changes', 'leave --at out'],
};

export const refuseAt = (tool: Tool | undefined): CliError => {
  const [noun = '', verb = ''] = tool?.cli ?? [];
  const nouns = Object.keys(KINDS).join(', ');
  const [why, hint] = INSTEAD[`${noun} ${verb}`] ??
    BY_NOUN[noun] ?? [
      `the past is kept of ${nouns}, events, and of topology, routes and peer config`,
      'drover fleet at TIME shows all of it; drover why SUBJECT tells what happened',
    ];
  const called = tool?.cli === undefined ? (tool?.name ?? 'this') : `drover ${noun} ${verb}`;
  return new CliError(`${called} takes no --at`, why, hint, 2);
};
