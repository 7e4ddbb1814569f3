import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { CLOCK, type Clock } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { CURSOR_CODEC, TOOL_REGISTRAR, type CursorCodec, type ToolRegistrar } from '#tools';
import { RECENT_EVENTS, type RecentEvents } from './recent/recent-events.js';
import { agentIntrospectTool, listAgentsTool, platformHealthTool, recentEventsTool } from './tools/definitions.js';
import {
  agentIntrospect,
  listAgents,
  PLATFORM_FACTS,
  platformHealth,
  PROCESSING_VIEW,
  type PlatformFacts,
  type ProcessingView,
} from './tools/platform.js';
import { recentEvents } from './tools/recent-events.js';

/** What happened, and whether the record of it is as it was written. */
@Module({})
export class AuditModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(RECENT_EVENTS) private readonly recent: RecentEvents,
    @Inject(CURSOR_CODEC) private readonly cursors: CursorCodec,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(PROCESSING_VIEW) private readonly processing: ProcessingView,
    @Inject(PLATFORM_FACTS) private readonly facts: PlatformFacts,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.tools.add(recentEventsTool, recentEvents(this.recent, this.cursors, this.clock));
    this.tools.add(listAgentsTool, listAgents(this.processing));
    this.tools.add(agentIntrospectTool, agentIntrospect(this.processing));
    this.tools.add(platformHealthTool, platformHealth(this.processing, this.store, this.facts, this.clock));
  }
}
