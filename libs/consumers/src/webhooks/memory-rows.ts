import type { Position } from '#event-store';
import { FencedError } from '#processing';
import type { DeadLetter, DeadLetterPage, DeliveryState, FailedAttempt, WebhookRows } from './rows.js';

interface Letter extends DeadLetter {
  readonly requestedAt: bigint;
}

interface Row {
  epoch: number;
  state: DeliveryState;
  readonly letters: Map<string, Letter>;
}

/** For the memory store and tests. */
export class MemoryWebhookRows implements WebhookRows {
  private readonly rows = new Map<string, Row>();

  async open(webhookId: string, start: Position, epoch: number): Promise<DeliveryState> {
    const row = this.rows.get(webhookId);
    if (row === undefined) {
      const state = {
        position: start,
        attempts: 0,
        nextAttemptMs: 0,
        lastError: null,
        delivered: 0,
        lastDeliveredMs: null,
        lastFailedMs: null,
      };
      this.rows.set(webhookId, { epoch, state, letters: new Map() });
      return state;
    }
    if (row.epoch > epoch) throw new FencedError(`${webhookId} is in a later epoch`);
    row.epoch = epoch;
    return row.state;
  }

  async advance(
    webhookId: string,
    to: Position,
    { delivered, nowMs }: { delivered: number; nowMs: number },
    epoch: number,
  ): Promise<void> {
    const row = this.own(webhookId, epoch);
    const sent =
      delivered === 0 ? {} : { delivered: row.state.delivered + delivered, lastDeliveredMs: nowMs, lastError: null };
    row.state = { ...row.state, position: to, attempts: 0, nextAttemptMs: 0, ...sent };
  }

  async failed(
    webhookId: string,
    { attempts, nextAttemptMs, error, nowMs }: FailedAttempt,
    epoch: number,
  ): Promise<void> {
    const row = this.own(webhookId, epoch);
    row.state = { ...row.state, attempts, nextAttemptMs, lastError: error, lastFailedMs: nowMs };
  }

  async bury(webhookId: string, letter: Omit<DeadLetter, 'requested'>, epoch: number): Promise<void> {
    const row = this.own(webhookId, epoch);
    const { position, error, deadMs } = letter;
    row.letters.set(letter.eventId, { ...letter, requested: false, requestedAt: 0n });
    row.state = { ...row.state, position, attempts: 0, nextAttemptMs: 0, lastError: error, lastFailedMs: deadMs };
  }

  async request(webhookId: string, eventIds: readonly string[], at: Position): Promise<void> {
    const letters = this.rows.get(webhookId)?.letters;
    for (const id of eventIds) {
      const letter = letters?.get(id);
      if (letter !== undefined && letter.requestedAt < at)
        letters!.set(id, { ...letter, requested: true, requestedAt: at });
    }
  }

  async requested(webhookId: string): Promise<readonly DeadLetter[]> {
    return this.sorted(webhookId).filter((letter) => letter.requested);
  }

  async redelivered(webhookId: string, eventId: string, error: string | undefined, epoch: number): Promise<void> {
    const { letters } = this.own(webhookId, epoch);
    const letter = letters.get(eventId);
    if (error === undefined) letters.delete(eventId);
    else if (letter !== undefined)
      letters.set(eventId, { ...letter, requested: false, error, attempts: letter.attempts + 1 });
  }

  async remove(webhookId: string): Promise<void> {
    this.rows.delete(webhookId);
  }

  async state(webhookId: string): Promise<(DeliveryState & { readonly deadLetters: number }) | undefined> {
    const row = this.rows.get(webhookId);
    return row && { ...row.state, deadLetters: row.letters.size };
  }

  async letters(webhookId: string, { limit, after }: DeadLetterPage): Promise<readonly DeadLetter[]> {
    return this.sorted(webhookId)
      .filter((letter) => after === undefined || letter.position > after)
      .slice(0, limit);
  }

  private sorted(webhookId: string): DeadLetter[] {
    const letters = [...(this.rows.get(webhookId)?.letters.values() ?? [])];
    return letters.sort((a, b) => (a.position < b.position ? -1 : 1)).map(({ requestedAt: _, ...letter }) => letter);
  }

  private own(webhookId: string, epoch: number): Row {
    const row = this.rows.get(webhookId);
    if (row?.epoch !== epoch) throw new FencedError(`${webhookId} is no longer in epoch ${epoch}`);
    return row;
  }
}
