import { deterministicUuid } from '#kernel';
import type { RecordedEvent } from '#event-store';

/** The parts of a process manager's inbox event that a story needs (system.pm.input_received). */
export interface InboxInput {
  readonly kind: 'event' | 'timer' | 'command_result';
  readonly event?: { readonly id: string; readonly type: string; readonly data: Readonly<Record<string, unknown>> };
  readonly name?: string;
  readonly setAt?: number;
  readonly command?: string;
  readonly outcome?: 'done' | 'refused';
  readonly code?: string;
  readonly message?: string;
  readonly of?: { readonly version: number; readonly index: number };
}

interface InboxOutput {
  readonly kind: 'command' | 'timer' | 'cancel_timer' | 'note';
  readonly type?: string;
}

export const inboxInput = (event: RecordedEvent): InboxInput | undefined =>
  event.type === 'system.pm.input_received' ? (event.data['input'] as InboxInput) : undefined;

/** Ids of the commands that an inbox event sends, as the process engine makes them. */
export const commandIdsOf = (event: RecordedEvent): string[] =>
  ((event.data['outputs'] ?? []) as readonly InboxOutput[]).flatMap((output, index) =>
    output.kind === 'command' ? [deterministicUuid('pm_command', event.stream, event.version, index)] : [],
  );
