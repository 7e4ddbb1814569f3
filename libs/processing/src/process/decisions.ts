import { categoryOf } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { defineProjection } from '../projection.js';
import { pmInputReceived, type StoredInput, type StoredOutput } from './pm-events.js';

/** What a process manager did with one input, in short. */
export interface Decided {
  readonly at: string;
  readonly instance: string;
  readonly position: string;
  readonly input: { readonly kind: StoredInput['kind']; readonly of: string };
  readonly outputs: readonly string[];
  readonly notes: readonly string[];
}

const KEPT = 20;

/** The last decisions of each process manager, newest last: what agent_introspect shows. Spans accounts. */
export const processDecisions = defineProjection<{ manager: string; inputs: number; decisions: readonly Decided[] }>({
  name: 'process_decisions',
  version: 1,
  keys: (event) => (event.type === pmInputReceived.type ? [categoryOf(event.stream).slice('pm_'.length)] : []),
  fold: (doc, event, manager) => {
    const decisions = [...(doc?.decisions ?? []), toDecided(event)].slice(-KEPT);
    return { manager, inputs: (doc?.inputs ?? 0) + 1, decisions };
  },
  columns: () => ({ account: 'system' }),
  columnTypes: {},
});

/** An inbox event in short. */
export const toDecided = (event: RecordedEvent): Decided => {
  const { instance, input, outputs } = event.data as unknown as {
    instance: string;
    input: StoredInput;
    outputs: readonly StoredOutput[];
  };
  return {
    at: event.meta.occurredAt,
    instance,
    position: String(event.position),
    input: { kind: input.kind, of: subject(input) },
    outputs: outputs.filter((o) => o.kind !== 'note').map(described),
    notes: outputs.flatMap((o) => (o.kind === 'note' ? [o.text] : [])),
  };
};

const subject = (input: StoredInput): string => {
  if (input.kind === 'event') return input.event.type;
  if (input.kind === 'timer') return input.name;
  return `${input.command} ${input.outcome}${input.code === undefined ? '' : ` (${input.code})`}`;
};

const described = (output: StoredOutput): string => {
  if (output.kind === 'command') return `command ${output.type}`;
  if (output.kind === 'timer') return `timer ${output.name} at ${output.dueMs}`;
  return output.kind === 'cancel_timer' ? `cancel timer ${output.name}` : output.text;
};
