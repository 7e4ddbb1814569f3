import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { z } from 'zod';
import { MASTER_KEY_ROTATION, nothingToRotate, type MasterKeyRotation } from '#access';
import { Command, type CommandResult } from '#processing';
import { defineTool, type ToolHandler } from '#tools';

export const rotateMasterKeyTool = defineTool({
  name: 'system_rotate_master_key',
  group: 'platform',
  summary: 'Puts another master key in the place of the current one',
  description:
    'Makes master.key.next in the data directory of this process, wraps every data key of the secret store by it, and then makes it ' +
    'master.key; secrets can be read and kept all the time. With several platform processes it waits until each has the file: copy ' +
    'it there (see waiting_for). A rotation that was cut off goes on by itself; calling again tells how far it is. Backups of the ' +
    'database from before open only with the key from before. Spans all accounts, so it needs the platform scope.',
  input: z.object({}),
  output: z.object({
    status: z.enum(['rotated', 'rewrapping', 'waiting']),
    fingerprint: z.string().describe('Of the new master key'),
    data_keys_left: z.number().int().describe('Still wrapped by the key before'),
    waiting_for: z.array(z.string()).describe('Processes that lack master.key.next'),
    next_step: z.string().optional(),
  }),
  permission: 'platform.secrets.rotate',
  danger: 'change',
  examples: [{ title: 'Another key', arguments: {} }],
  cli: ['secrets', 'rotate-master-key'],
});

export class RotateMasterKey extends Command<Record<string, never>, { readonly fingerprint: string }> {
  static readonly type = 'access.rotate_master_key';
}

@CommandHandler(RotateMasterKey)
export class RotateMasterKeyHandler implements ICommandHandler<RotateMasterKey> {
  constructor(@Inject(MASTER_KEY_ROTATION) private readonly rotation: MasterKeyRotation | null) {}

  async execute({ context }: RotateMasterKey): Promise<CommandResult<{ fingerprint: string }>> {
    if (this.rotation === null) return { kind: 'refused', refusal: nothingToRotate().refusal };
    const { fingerprint, position } = await this.rotation.begin(context);
    return { kind: 'done', value: { fingerprint }, ...(position === undefined ? {} : { position: position }) };
  }
}

/** One process with a full secret store takes a fraction of it; longer ones go on after the answer. */
const WAIT_MS = 5_000;

type Tool = typeof rotateMasterKeyTool;
export const rotateMasterKey =
  (rotation: MasterKeyRotation | null): ToolHandler<Tool['input'], Tool['output']> =>
  async (_, call) => {
    const { fingerprint } = await call.run(RotateMasterKey, {});
    const state = await rotation!.settle(WAIT_MS);
    const steps = {
      rotated: {},
      rewrapping: { next_step: 'it goes on by itself; call again to see how far it is' },
      waiting: {
        next_step: 'copy master.key.next from this process\u2019 data directory into those of waiting_for (mode 0600)',
      },
    };
    return {
      status: state.status,
      fingerprint,
      data_keys_left: state.left,
      waiting_for: [...state.waitingFor],
      ...steps[state.status],
    };
  };
