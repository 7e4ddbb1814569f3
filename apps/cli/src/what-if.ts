import { toolArguments } from './arguments.js';
import type { Tool } from './catalogue.js';
import { paint, shortDuration, wrap } from './text.js';

interface Field {
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly added?: readonly unknown[];
  readonly removed?: readonly unknown[];
}
interface Change {
  readonly item: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly fields?: readonly Field[];
}
export interface Prediction {
  readonly tool: string;
  readonly outcome: string;
  readonly refusal?: { readonly code: string; readonly message: string; readonly hint?: string };
  readonly warnings: readonly string[];
  /** null: a dry run does not tell. */
  readonly answered_after_ms: number | null;
  readonly horizon_seconds: number;
  readonly events: readonly {
    readonly at_ms: number;
    readonly kind: string;
    readonly stream: string;
    readonly severity: string;
    readonly caused_by: string;
  }[];
  readonly nodes_touched: readonly {
    readonly instance_id: string;
    readonly name: string | null;
    readonly sections: readonly { readonly section: string; readonly changes: readonly Change[] }[];
  }[];
  readonly vip_moves: readonly {
    readonly address: string | null;
    readonly virtual_ip_id: string;
    readonly from: string | null;
    readonly to: string | null;
    readonly outcome: string;
    readonly at_ms: number;
    readonly reason: string | null;
  }[];
  readonly cannot_predict: readonly string[];
  readonly stopped_early?: string;
}

/** `--horizon SECONDS` is of what_if, everything else of the tool that is tried. */
export const whatIfArguments = (
  tool: Tool | undefined,
  name: string,
  words: readonly string[],
): Record<string, unknown> => {
  const at = words.findIndex((word) => /^--horizon(-seconds)?(=|$)/.test(word));
  const inline = at < 0 ? undefined : words[at]!.split('=')[1];
  const seconds = at < 0 ? undefined : (inline ?? words[at + 1]);
  const rest = at < 0 ? words : words.toSpliced(at, inline === undefined ? 2 : 1);
  return {
    tool: tool?.name ?? name,
    arguments: toolArguments(tool, rest),
    ...(seconds === undefined ? {} : { horizon_seconds: Number(seconds) }),
  };
};

/** What would follow, for a terminal: the answer first, then events, virtual IPs, nodes, and what nobody can know. */
export const renderPrediction = (p: Prediction, width: number, colours: boolean): string => {
  const names = new Map(p.nodes_touched.map((node) => [node.instance_id, node.name ?? node.instance_id]));
  const lines = [
    paint('bold', `${p.tool} would be ${word(p.outcome)}`, colours) +
      (p.outcome === 'done' && p.answered_after_ms !== null ? ` after ${shortDuration(p.answered_after_ms)}` : ''),
    ...refusal(p, width, colours),
    ...p.warnings.map((warning) => paint('yellow', `warning: ${warning}`, colours)),
    ...(p.stopped_early === undefined ? [] : [paint('yellow', `stopped early: ${p.stopped_early}`, colours)]),
    ...section(
      `events within ${p.horizon_seconds} s`,
      p.events.map((event) => eventLine(event, colours)),
    ),
    ...section(
      'virtual IPs',
      p.vip_moves.map((move) => moveLine(move, names)),
    ),
    ...section(
      'nodes that would be told otherwise',
      p.nodes_touched.flatMap((node) => nodeLines(node, width)),
    ),
    ...section(
      'cannot be predicted',
      p.cannot_predict.flatMap((text) => hanging(text, width)),
    ),
  ];
  return lines.join('\n');
};

/** The answer of a call with `--dry-run`: the same picture, and the plan that a guarded token needs. */
export const renderDryRun = (
  tool: string,
  data: Readonly<Record<string, unknown>>,
  width: number,
  colours: boolean,
): string => {
  const { would_be, plan_id, plan_expires_at, ...rest } = data.dry_run as Partial<Prediction> & {
    readonly would_be: string;
    readonly plan_id: string;
    readonly plan_expires_at: string;
  };
  const prediction = {
    ...{ events: [], nodes_touched: [], vip_moves: [], cannot_predict: [] },
    ...rest,
    ...{ tool, outcome: would_be, horizon_seconds: DRY_RUN_SECONDS, answered_after_ms: null },
    warnings: (data.warnings as readonly string[] | undefined) ?? [],
  };
  return `${renderPrediction(prediction, width, colours)}\n\nnothing was changed; plan_id ${plan_id}, good until ${plan_expires_at}`;
};
/** So far the platform looks ahead in a dry run. */
const DRY_RUN_SECONDS = 60;

const WORDS: Readonly<Record<string, string>> = {
  done: 'done',
  nothing: 'done already: nothing would change',
  refused: 'refused',
  failed: 'broken off by a fault in the platform',
  pending: 'unanswered at the end of the horizon',
};
const word = (outcome: string): string => WORDS[outcome] ?? outcome;

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', title, ...lines];

const hanging = (text: string, width: number): string[] =>
  wrap(text, Math.max(24, width - 4)).map((line, i) => `${i === 0 ? '  - ' : '    '}${line}`);

const refusal = ({ refusal: why }: Prediction, width: number, colours: boolean): string[] =>
  why === undefined
    ? []
    : [
        ...wrap(`${why.code}: ${why.message}`, width).map((line) => paint('red', line, colours)),
        ...(why.hint === undefined ? [] : wrap(`try: ${why.hint}`, width)),
      ];

const eventLine = (
  { at_ms, kind, stream, severity, caused_by }: Prediction['events'][number],
  colours: boolean,
): string => {
  const bad = severity === 'high' || severity === 'critical';
  const anyway = caused_by === 'other' ? ' (anyway)' : '';
  const text = `${`+${shortDuration(at_ms)}`.padStart(10)}  ${kind.replace(/^system\./, '').padEnd(34)} ${shortId(stream)}${anyway}`;
  return paint(bad ? 'red' : undefined, text.trimEnd(), colours);
};

const shortId = (id: string): string => id.replace(/-([0-9a-f]{8})-[0-9a-f-]{27}$/, '-$1');

const moveLine = (move: Prediction['vip_moves'][number], names: ReadonlyMap<string, string>): string => {
  const who = (id: string | null) => (id === null ? 'nobody' : (names.get(id) ?? shortId(id)));
  const path =
    move.to === null
      ? `${move.outcome}, was with ${who(move.from)}`
      : `${move.outcome}: ${who(move.from)} → ${who(move.to)}`;
  return `${`+${shortDuration(move.at_ms)}`.padStart(10)}  ${move.address ?? shortId(move.virtual_ip_id)} ${path}${move.reason === null ? '' : ` (${move.reason})`}`;
};

const SIGN = { added: '+', removed: '-', changed: '~' } as const;

const nodeLines = ({ instance_id, name, sections }: Prediction['nodes_touched'][number], width: number): string[] => [
  `  ${name ?? instance_id}`,
  ...sections.flatMap(({ section: title, changes }) => [
    `    ${title.replace(/-([0-9a-f]{8})-[0-9a-f-]{27}/, '-$1')}`,
    ...changes.flatMap(({ item, change, fields = [] }) => [
      `      ${SIGN[change]} ${shortId(item)}`,
      ...fields.flatMap((field) => wrap(fieldText(field), Math.max(24, width - 10)).map((line) => `          ${line}`)),
    ]),
  ]),
];

const text = (value: unknown): string =>
  value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value);

const fieldText = ({ field, before, after, added, removed }: Field): string =>
  added === undefined && removed === undefined
    ? `${field}: ${text(before)} → ${text(after)}`
    : [
        `${field}:`,
        ...(removed ?? []).map((one) => `-${text(one)}`),
        ...(added ?? []).map((one) => `+${text(one)}`),
      ].join(' ');
