import { z } from 'zod';
import type { LeaseMessage } from './lease.js';

export const LEASE_PORT = 7447;

const wire = z.object({
  vip: z.string(),
  kind: z.enum(['beat', 'confirm', 'yield']),
  epoch: z.number().int().nonnegative(),
  seq: z.number().int().nonnegative().optional(),
});

export const encodeLease = (vipId: string, message: LeaseMessage): Uint8Array =>
  Buffer.from(JSON.stringify({ vip: vipId, ...message }), 'utf8');

/** Undefined for anything that is not a lease message: a datagram port hears all kinds of things. */
export const decodeLease = (bytes: Uint8Array): { vipId: string; message: LeaseMessage } | undefined => {
  try {
    const { vip, kind, epoch, seq } = wire.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return { vipId: vip, message: kind === 'yield' ? { kind, epoch } : { kind, epoch, seq: seq ?? 0 } };
  } catch {
    return undefined;
  }
};
