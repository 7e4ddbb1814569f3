import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { TOOL_REGISTRAR, type ToolRegistrar } from '#tools';
import { PROCESSING_VIEW } from '../tools/platform.js';
import { listProjectionsTool, rebuildProjectionTool, skipPoisonEventTool } from './definitions.js';
import { RebuildProjectionHandler, SkipPoisonEventHandler, type ProjectionsView } from './orders.js';
import { listProjections, rebuildProjection, skipPoisonEvent } from './tools.js';

/** What operators see of the read models, and what they may order about them. */
@Module({ providers: [RebuildProjectionHandler, SkipPoisonEventHandler] })
export class ProjectionsModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(PROCESSING_VIEW) private readonly view: ProjectionsView,
  ) {}

  onModuleInit(): void {
    this.tools.add(listProjectionsTool, listProjections(this.view));
    this.tools.add(rebuildProjectionTool, rebuildProjection());
    this.tools.add(skipPoisonEventTool, skipPoisonEvent());
  }
}
