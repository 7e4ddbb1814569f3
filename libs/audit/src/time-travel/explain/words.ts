import type { RecordedEvent } from '#event-store';
import { inboxInput } from './inbox.js';

export type Names = ReadonlyMap<string, string>;

const ID =
  /\b(instance|cluster|virtual_ip|sdwan_peer|sdwan_network|node|template|operator|account|access_grant)-[0-9a-f]{8}-[0-9a-f-]{27}\b/g;
const MAX_FACT = 60;
/** Said by the kind, by the place in the story, or by nobody's need. */
const SILENT =
  /(_digest|_ref|_pem|_b64|_serial|token_id|machine_id|boot_id|not_after|expires_at|assignment_id|template_version|acks_ms)$/;

/** Ids by the names that things bear, else cut to what tells them apart. */
export const named = (text: string, names: Names): string =>
  text.replace(
    ID,
    (id) => names.get(id) ?? `${id.slice(0, id.indexOf('-'))}-${id.slice(id.indexOf('-') + 1, id.indexOf('-') + 9)}`,
  );

const fact = (value: unknown, names: Names): string | undefined => {
  if (value === null || value === undefined || value === '') return undefined;
  if (typeof value === 'object') {
    const member: unknown = Array.isArray(value) ? undefined : Reflect.get(value, 'instance_id');
    if (typeof member === 'string') return named(member, names);
    if (!Array.isArray(value) || value.length === 0 || value.some((one) => typeof one === 'object')) return undefined;
    return fact(value.join(','), names);
  }
  const text = named(String(value), names).replaceAll(/\s+/g, ' ');
  return text.length > MAX_FACT ? `${text.slice(0, MAX_FACT - 1)}…` : text;
};

/** The short facts of an event's payload: `name=k3s-server-1 reason=drain`. What the subject itself is called is left out. */
export const factsOf = (event: RecordedEvent, names: Names, subjectId: string): string =>
  Object.entries(event.data)
    .filter(([key, value]) => !SILENT.test(key) && value !== subjectId && value !== event.stream)
    .flatMap(([key, value]) => {
      const text = fact(value, names);
      return text === undefined ? [] : [`${key.replace(/_(instance_)?id$/, '')}=${text}`];
    })
    .join(' ');

/** Of more than these, the slowest are told. */
const MAX_ACKS = 6;

/** Who took in what a move told them, the last first, and who did not: ` | acknowledged by web-2 in 14 ms, web-1 in 9 ms`. */
export const acksOf = ({ data }: RecordedEvent, names: Names): string => {
  const acks = data['acks_ms'];
  if (typeof acks !== 'object' || acks === null) return '';
  const slowest = Object.entries(acks as Readonly<Record<string, number>>).sort(([, a], [, b]) => b - a);
  const told = slowest.slice(0, MAX_ACKS).map(([id, ms]) => `${named(id, names)} in ${Math.round(ms)} ms`);
  const more = slowest.length - told.length;
  if (told.length === 0) return ' | acknowledged by nobody';
  return ` | acknowledged by ${told.join(', ')}${more === 0 ? '' : ` and ${more} faster ones`}`;
};

export const kindInShort = (type: string): string => type.replace(/^system\./, '');

/** A tool call with what was asked for. */
export const callTitle = (event: RecordedEvent, names: Names): string => {
  const { via, actor } = event.meta;
  const who = `${actor.kind} ${named(actor.id, names)}`;
  if (via === undefined) return `a call by ${who} (made before tools were recorded)`;
  const args = Object.entries(via.arguments).map(([key, value]) => `${key}=${named(String(value), names)}`);
  return `${via.tool}${args.length === 0 ? '' : ` ${args.join(' ')}`} by ${who}`;
};

/** What a process manager made of an input: its notes, else its commands. */
export const decisionTitle = (event: RecordedEvent, names: Names): string => {
  const outputs = (event.data['outputs'] ?? []) as readonly {
    kind: string;
    type?: string;
    text?: string;
    name?: string;
  }[];
  const input = inboxInput(event);
  const notes = outputs.flatMap((o) => (o.kind === 'note' && o.text !== undefined ? [o.text] : []));
  const does = outputs.flatMap((o) =>
    o.kind === 'command' ? [`→ ${o.type}`] : o.kind === 'timer' ? [`waits for timer ${o.name}`] : [],
  );
  const why =
    input?.kind === 'timer'
      ? `timer ${input.name} came due`
      : input?.outcome === 'refused'
        ? `${input.command} was refused: ${input.code ?? ''} ${input.message ?? ''}`.trim()
        : undefined;
  const text = [why, ...notes.filter((note) => note !== why), ...does].filter((part) => part !== undefined).join('; ');
  return named(`${String(event.data['manager'])}: ${text}`, names);
};

/** What one node answered to a generation of a section of its own. */
const receiptTitle = ({ data }: RecordedEvent, names: Names): string => {
  const { instance_id, section, generation, modules, took_ms, apply_ms, errors } = data as {
    instance_id: string;
    section: string;
    generation: string;
    modules?: readonly string[];
    took_ms: number;
    apply_ms: number;
    errors?: readonly string[];
  };
  const what = `${section}${modules === undefined ? '' : ` (${modules.length === 0 ? 'none' : modules.join(', ')})`}`;
  const how = errors === undefined ? 'applied by' : 'NOT applied by';
  const why = errors === undefined ? '' : `: ${errors.join('; ').slice(0, 200)}`;
  const took = `(${Math.round(took_ms)} ms, ${Math.round(apply_ms)} ms of them on the node)`;
  return `pushed: generation ${generation} of ${what} ${how} ${named(instance_id, names)} ${took}${why}`;
};

/** What the nodes of a network, or one node of its own, answered to a generation. */
export const appliedTitle = (event: RecordedEvent, names: Names): string => {
  if (!event.type.endsWith('.generation_settled')) return receiptTitle(event, names);
  const { applied, behind, p50_ms, p99_ms, network_id, generation } = event.data as {
    applied: number;
    behind: readonly string[];
    p50_ms: number;
    p99_ms: number;
    network_id: string;
    generation: string | null;
  };
  const which = generation === null ? 'a generation' : `generation ${generation}`;
  const late = behind.length === 0 ? '' : `; NOT by ${behind.map((id) => named(id, names)).join(', ')}`;
  const nodes = applied === 1 ? '1 node' : `${applied} nodes`;
  const took = applied === 0 ? '' : ` (p50 ${p50_ms} ms, p99 ${p99_ms} ms)`;
  return `pushed: ${which} of ${named(network_id, names)} applied by ${nodes}${took}${late}`;
};
