import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { CLOCK, type Clock } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { CURSOR_CODEC, TOOL_REGISTRAR, ToolRegistry, type CursorCodec, type ToolRegistrar } from '#tools';
import { READ_MODELS, type ReadModels } from '#processing';
import { PROCESSING_VIEW, type ProcessingView } from '../tools/platform.js';
import { explainTool } from './explain/definition.js';
import { explain } from './explain/explain.js';
import {
  fleetStateAt,
  PAST_VIEWS,
  REGISTERED_PROJECTIONS,
  type PastViews,
  type RegisteredProjections,
} from './fleet-state-at.js';
import { fleetStateAtTool } from './fleet-state-definition.js';
import { whatIfTool } from './what-if/definition.js';
import { FORKS, type Forks } from './what-if/port.js';
import { forkPreviews } from './what-if/preview.js';
import { whatIf } from './what-if/what-if.js';

/** The log as a time machine: what was, why, and what would be. */
@Module({})
export class TimeTravelModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(CURSOR_CODEC) private readonly cursors: CursorCodec,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(REGISTERED_PROJECTIONS) private readonly projections: RegisteredProjections,
    @Inject(PAST_VIEWS) private readonly views: PastViews,
    @Inject(READ_MODELS) private readonly models: ReadModels,
    @Inject(PROCESSING_VIEW) private readonly processing: ProcessingView,
    @Inject(FORKS) private readonly forks: Forks,
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
  ) {}

  onModuleInit(): void {
    const { store, projections, views, cursors, clock } = this;
    this.tools.add(fleetStateAtTool, fleetStateAt({ store, projections, views, cursors, clock }));
    const managers = () => this.processing.processManagers();
    this.tools.add(explainTool, explain({ store, models: this.models, projections, managers, clock }));
    this.tools.add(whatIfTool, whatIf(this.forks, this.registry, cursors));
    this.registry.usePreviews(forkPreviews(this.forks));
  }
}
