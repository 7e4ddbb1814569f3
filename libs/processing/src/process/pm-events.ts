import { z } from 'zod';
import { defineEvent } from '#kernel';
import { projectionOrderEvents } from '../projections/orders.js';

const json = z.record(z.string(), z.unknown());

/** A recorded event as an inbox keeps it: whole, because the instance's state is rebuilt from its own stream alone. */
const storedEvent = z.object({
  id: z.string(),
  stream: z.string(),
  version: z.number(),
  /** Decimal; JSON has no 64-bit integers. */
  position: z.string(),
  recordedAt: z.string(),
  type: z.string(),
  schemaVersion: z.number(),
  data: json,
  meta: json,
});

const storedInput = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('event'), event: storedEvent }),
  /** `setAt` is the stream version whose output set this timer: it tells a timer from a later one of the same name. */
  z.object({ kind: z.literal('timer'), name: z.string(), dueMs: z.number(), data: json, setAt: z.number() }),
  z.object({
    kind: z.literal('command_result'),
    command: z.string(),
    outcome: z.enum(['done', 'refused']),
    code: z.string().optional(),
    message: z.string().optional(),
    payload: json,
    /** Which output this answers: stream version and index. A command without such an answer is still to be sent. */
    of: z.object({ version: z.number(), index: z.number() }),
  }),
]);

const storedOutput = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('command'), type: z.string(), payload: json }),
  z.object({ kind: z.literal('timer'), name: z.string(), dueMs: z.number(), data: json.optional() }),
  z.object({ kind: z.literal('cancel_timer'), name: z.string() }),
  z.object({ kind: z.literal('note'), text: z.string() }),
]);

export type StoredInput = z.output<typeof storedInput>;
export type StoredOutput = z.output<typeof storedOutput>;

/**
 * One input of a process manager instance together with everything that was decided on it, in one append: so an input
 * has exactly one set of outputs, whatever crashes when.
 */
export const pmInputReceived = defineEvent(
  'system.pm.input_received',
  1,
  z.object({ manager: z.string(), instance: z.string(), input: storedInput, outputs: z.array(storedOutput) }),
);

/** Event types of this library, for the platform's catalogue. */
export const processingEvents = [pmInputReceived, ...projectionOrderEvents] as const;

export const pmStream = (manager: string, instance: string): string => `pm_${manager}-${instance}`;
