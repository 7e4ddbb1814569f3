import { paint, shortDuration, wrap } from './text.js';

interface Entry {
  readonly depth: number;
  readonly type: 'call' | 'event' | 'decision' | 'report' | 'applied';
  readonly relation: 'caused_by' | 'answers' | null;
  readonly at: string;
  readonly after_ms: number;
  readonly gap: boolean;
  readonly title: string;
  readonly severity: string;
}
interface Phase {
  readonly name: string;
  readonly of: string;
  readonly started_at: string;
  readonly duration_ms: number | null;
  readonly outcome: 'done' | 'failed' | 'open';
}
export interface Story {
  readonly subject: { readonly kind: string; readonly id: string; readonly name: string };
  /** Absent from a platform of before. */
  readonly now?: {
    readonly state: string;
    readonly since: string | null;
    readonly causes: readonly string[];
    readonly next_action: string | null;
  };
  readonly began_at: string | null;
  readonly ended_at: string | null;
  readonly duration_ms: number;
  readonly entries: readonly Entry[];
  readonly phases: readonly Phase[];
  readonly failures: readonly { readonly at: string; readonly kind: string; readonly reason: string }[];
  readonly left_out: number;
  readonly incomplete: boolean;
}

const TIME = 12;
const AFTER = 9;
/** Deeper than this the tree stays where it is: the text needs the room. */
const MAX_INDENT = 9;
const BAR = 24;

const clock = (iso: string): string => iso.slice(11, 23);

/** A causal story for a terminal: a tree with times and waits, then the phases, then what failed. */
export const renderStory = (story: Story, width: number, colours: boolean): string => {
  const parts = [
    head(story, colours),
    now(story, width, colours),
    tree(story.entries, width, colours),
    phases(story.phases, width, colours),
    failures(story, width, colours),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
};

const head = ({ subject, began_at, ended_at, duration_ms, left_out, incomplete }: Story, colours: boolean): string => {
  const title = `${subject.kind.replace('_', ' ')} ${subject.name}`;
  if (began_at === null || ended_at === null) return `${title}: nothing happened in that time`;
  const lines = [
    paint('bold', title, colours) + (subject.id === subject.name ? '' : `  ${subject.id}`),
    `${began_at} to ${clock(ended_at)}, ${shortDuration(duration_ms)}`,
    ...(left_out === 0 ? [] : [`${left_out} older entries left out (--limit)`]),
    ...(incomplete ? ['too large to be read whole: give --from and --to'] : []),
  ];
  return lines.join('\n');
};

/** What somebody who was woken by it reads first. */
const now = ({ now: stands }: Story, width: number, colours: boolean): string => {
  if (stands === undefined || stands.state === '') return '';
  const label = (name: string, text: string, colour?: 'red') =>
    wrap(text, Math.max(24, width - TIME - 1)).map(
      (line, i) => `${(i === 0 ? name : '').padEnd(TIME)} ${paint(colour, line, colours)}`,
    );
  return [
    ...label('now', `${stands.state}${stands.since === null ? '' : ` since ${stands.since}`}`),
    ...stands.causes.flatMap((cause) => label('cause', cause, 'red')),
    ...(stands.next_action === null ? [] : label('next', stands.next_action)),
  ].join('\n');
};

const bad = (entry: Entry): boolean => entry.severity === 'high' || entry.severity === 'critical';

/** Marks per entry: where lines go on below, as in `tree`. */
const branches = (entries: readonly Entry[], at: number): string => {
  const { depth } = entries[at]!;
  if (depth === 0) return '';
  const levels = Array.from({ length: depth }, (_, level) => goesOn(entries, at, level + 1));
  const drawn = levels.map((more, i) => (i === depth - 1 ? (more ? '├ ' : '└ ') : more ? '│ ' : '  '));
  return drawn.slice(-MAX_INDENT).join('');
};

/** Whether another entry of this depth follows under the same parent. */
const goesOn = (entries: readonly Entry[], at: number, depth: number): boolean => {
  for (let i = at + 1; i < entries.length && entries[i]!.depth >= depth; i++)
    if (entries[i]!.depth === depth) return true;
  return false;
};

const tree = (entries: readonly Entry[], width: number, colours: boolean): string =>
  entries
    .flatMap((entry, i) => {
      const marks = branches(entries, i);
      const after = entry.depth === 0 ? '' : `+${shortDuration(entry.after_ms)}`;
      const wait = entry.gap ? paint('yellow', after.padStart(AFTER), colours) : after.padStart(AFTER);
      const sign = { call: '▶ ', decision: '◆ ', report: '● ', applied: '✓ ', event: '' }[entry.type];
      const room = Math.max(24, width - TIME - AFTER - 4 - marks.length);
      const [first = '', ...more] = wrap(`${entry.relation === 'answers' ? '↷ ' : ''}${sign}${entry.title}`, room);
      const colour = bad(entry) ? 'red' : entry.type === 'call' ? 'bold' : undefined;
      const under = marks.replaceAll('├', '│').replaceAll('└', ' ');
      const blank = ' '.repeat(TIME + AFTER + 2);
      const lines = [
        `${clock(entry.at)} ${wait} ${marks}${paint(colour, first, colours)}`,
        ...more.map((text) => `${blank}${under}  ${paint(colour, text, colours)}`),
      ];
      return entry.depth === 0 && i > 0 ? ['', ...lines] : lines;
    })
    .join('\n');

const phases = (all: readonly Phase[], width: number, colours: boolean): string => {
  if (all.length === 0) return '';
  const longest = Math.max(1, ...all.map((phase) => phase.duration_ms ?? 0));
  const names = Math.max(...all.map((phase) => `${phase.name} (${phase.of})`.length));
  const room = Math.min(names, Math.max(20, width - TIME - AFTER - BAR - 6));
  const lines = all.map(({ name, of, started_at, duration_ms, outcome }) => {
    const label = `${name} (${of})`;
    const text = (label.length > room ? `${label.slice(0, room - 1)}…` : label).padEnd(room);
    const took = duration_ms === null ? 'open' : shortDuration(duration_ms);
    const bar = duration_ms === null ? '' : '█'.repeat(Math.max(1, Math.round((duration_ms / longest) * BAR)));
    const failed = outcome === 'failed' ? ' failed' : '';
    const colour = outcome === 'failed' ? 'red' : outcome === 'open' ? 'yellow' : undefined;
    return paint(colour, `${clock(started_at)} ${took.padStart(AFTER)} ${text} ${bar}${failed}`.trimEnd(), colours);
  });
  return ['phases', ...lines].join('\n');
};

const failures = ({ failures: all }: Story, width: number, colours: boolean): string => {
  if (all.length === 0) return '';
  const lines = all.flatMap(({ at, kind, reason }) =>
    wrap(`${kind.replace(/^system\./, '')} ${reason}`, Math.max(24, width - TIME - 1)).map((text, i) =>
      paint('red', `${(i === 0 ? clock(at) : '').padEnd(TIME)} ${text}`, colours),
    ),
  );
  return ['failures', ...lines].join('\n');
};
