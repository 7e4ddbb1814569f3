import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { MASTER_KEY_ROTATION, type MasterKeyRotation } from '#access';
import { TOOL_REGISTRAR, type ToolRegistrar } from '#tools';
import { RotateMasterKeyHandler, rotateMasterKey, rotateMasterKeyTool } from './tools/rotate-master-key.js';

/** Beside the contexts: a fork has no key to rotate. */
@Module({ providers: [RotateMasterKeyHandler] })
export class MasterKeyModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(MASTER_KEY_ROTATION) private readonly rotation: MasterKeyRotation | null,
  ) {}

  onModuleInit(): void {
    this.tools.add(rotateMasterKeyTool, rotateMasterKey(this.rotation));
  }
}
