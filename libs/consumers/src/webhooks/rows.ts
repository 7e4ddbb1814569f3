import type { Position } from '#event-store';

/** How far one webhook has come. */
export interface DeliveryState {
  /** Everything up to here was delivered, filtered out or is a dead letter. */
  readonly position: Position;
  /** Failed attempts at the event after `position`. */
  readonly attempts: number;
  readonly nextAttemptMs: number;
  readonly lastError: string | null;
  readonly delivered: number;
  readonly lastDeliveredMs: number | null;
  readonly lastFailedMs: number | null;
}

export interface DeadLetter {
  readonly eventId: string;
  readonly position: Position;
  readonly kind: string;
  readonly attempts: number;
  readonly error: string;
  readonly deadMs: number;
  /** An operator has asked for it to be delivered again, and that is still to be done. */
  readonly requested: boolean;
}

export interface DeadLetterPage {
  readonly limit: number;
  /** Letters behind this position of the log. */
  readonly after?: Position;
}

export interface FailedAttempt {
  readonly attempts: number;
  readonly nextAttemptMs: number;
  readonly error: string;
  readonly nowMs: number;
}

/**
 * Where deliveries are kept: Postgres in the platform, memory beside the memory store. Writes name the epoch of the writer and
 * throw FencedError when a later one has taken the webhook over.
 */
export interface WebhookRows {
  /** Takes the webhook over; a new one starts behind `start`. */
  open(webhookId: string, start: Position, epoch: number): Promise<DeliveryState>;
  /** The events up to `to` are done; `delivered` of them were sent. */
  advance(
    webhookId: string,
    to: Position,
    sent: { readonly delivered: number; readonly nowMs: number },
    epoch: number,
  ): Promise<void>;
  failed(webhookId: string, failure: FailedAttempt, epoch: number): Promise<void>;
  /** Gives an event up and goes on behind it, in one step. */
  bury(webhookId: string, letter: Omit<DeadLetter, 'requested'>, epoch: number): Promise<void>;
  /** A request that stands in the log at `at`; one that is not newer than the last changes nothing. */
  request(webhookId: string, eventIds: readonly string[], at: Position): Promise<void>;
  requested(webhookId: string): Promise<readonly DeadLetter[]>;
  /** What came of delivering a letter again: it is gone, or dead again. */
  redelivered(webhookId: string, eventId: string, error: string | undefined, epoch: number): Promise<void>;
  remove(webhookId: string): Promise<void>;
  state(webhookId: string): Promise<(DeliveryState & { readonly deadLetters: number }) | undefined>;
  letters(webhookId: string, page: DeadLetterPage): Promise<readonly DeadLetter[]>;
}
export const WEBHOOK_ROWS = Symbol('WebhookRows');
