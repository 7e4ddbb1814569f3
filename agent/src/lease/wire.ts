import { z } from 'zod';
import type { LeaseMessage } from './lease.js';

export const LEASE_PORT = 7447;

/** A new holder tells everybody that it answers for the VIP; each says that it has heard, or is told again. */
export interface HandoverMessage {
  readonly kind: 'held' | 'heard';
  readonly epoch: number;
}

export const isHandover = (message: LeaseMessage | HandoverMessage): message is HandoverMessage =>
  message.kind === 'held' || message.kind === 'heard';

const wire = z.object({
  vip: z.string(),
  kind: z.enum(['beat', 'confirm', 'yield', 'held', 'heard']),
  epoch: z.number().int().nonnegative(),
  seq: z.number().int().nonnegative().optional(),
});

export const encodeLease = (vipId: string, message: LeaseMessage | HandoverMessage): Uint8Array =>
  Buffer.from(JSON.stringify({ vip: vipId, ...message }), 'utf8');

/** Undefined for anything that is not a lease message: a datagram port hears all kinds of things. */
export const decodeLease = (
  bytes: Uint8Array,
): { vipId: string; message: LeaseMessage | HandoverMessage } | undefined => {
  try {
    const { vip, kind, epoch, seq } = wire.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    const counted = kind === 'beat' || kind === 'confirm';
    return { vipId: vip, message: counted ? { kind, epoch, seq: seq ?? 0 } : { kind, epoch } };
  } catch {
    return undefined;
  }
};
