import { deterministicUuid } from '#kernel';
import type { CommandContext } from '#processing';

/** The context of a step of a larger command: its own deterministic id, caused by the command it is part of. */
export const derive = (context: CommandContext, ...step: readonly string[]): CommandContext => ({
  ...context,
  commandId: deterministicUuid('step', context.commandId, ...step),
  causationId: context.commandId,
});
