import type { RecordedEvent } from '#event-store';
import type { PatientOperator } from './patient-operator.js';
import { say } from './numbers.js';

interface Predicted {
  readonly outcome: string;
  readonly events: readonly { readonly kind: string; readonly caused_by: string }[];
  readonly vip_moves: readonly { readonly from: string | null; readonly to: string | null; readonly outcome: string }[];
  readonly nodes_touched: readonly { readonly name: string | null }[];
}

export interface Foreseen {
  readonly tool: string;
  readonly predicted: Predicted;
  readonly correlationId: string;
  readonly tookMs: number;
}

/** Written by what nodes do afterwards, which a fork says it cannot know. */
const NOT_PREDICTABLE = /\.generation_settled$/;

/** Before each changing call the operator asks what it would do, and remembers the answer. */
export class Foresight {
  readonly foreseen: Foreseen[] = [];

  constructor(private readonly operator: PatientOperator) {}

  async call(tool: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const started = performance.now();
    const predicted = await this.operator.call<Predicted & Record<string, unknown>>('what_if', {
      tool,
      arguments: args,
    });
    const tookMs = Math.round(performance.now() - started);
    const answer = await this.operator.call(tool, args);
    this.foreseen.push({ tool, predicted, correlationId: String(answer['correlation_id']), tookMs });
    say(
      `  what_if ${tool}: ${predicted.outcome}, ${predicted.events.length} events, ${predicted.nodes_touched.length} nodes, ${tookMs} ms`,
    );
    return answer;
  }

  /** Where the kinds of events that followed a call are not those that were predicted. Nodes' own reports do not count. */
  problems(log: readonly RecordedEvent[]): string[] {
    return this.foreseen.flatMap(({ tool, predicted, correlationId }) => {
      const followed = log.filter(
        (event) =>
          event.meta.correlationId === correlationId &&
          !event.stream.startsWith('pm_') &&
          event.meta.actor.kind !== 'agent' &&
          !NOT_PREDICTABLE.test(event.type),
      );
      const [was, said] = [
        kinds(followed.map((e) => e.type)),
        kinds(predicted.events.filter((e) => e.caused_by === 'call').map((e) => e.kind)),
      ];
      return was === said ? [] : [`${tool}:\n    predicted ${said}\n    happened  ${was}`];
    });
  }
}

const kinds = (types: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([type, count]) => `${type}×${count}`)
    .join(' ');
};
