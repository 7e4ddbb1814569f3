import { systemClock, systemIds } from '#kernel';
import type { CommandContext } from '#processing';

/** Who acts where a test puts something on a platform beside its tools. */
export const systemContext = (accountId: string): CommandContext => ({
  commandId: systemIds.uuid(),
  correlationId: 'test',
  causationId: 'test',
  accountId,
  actor: { kind: 'system', id: 'test' },
  nowMs: systemClock.wallMs(),
});
