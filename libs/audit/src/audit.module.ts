import { Inject, Module, Optional, type OnModuleInit } from '@nestjs/common';
import { CLOCK, type Clock } from '#kernel';
import { CURSOR_CODEC, TOOL_REGISTRAR, type CursorCodec, type ToolRegistrar } from '#tools';
import { RECENT_EVENTS, type RecentEvents } from './recent/recent-events.js';
import { recentEventsTool, verifyAuditTool } from './tools/definitions.js';
import { recentEvents } from './tools/recent-events.js';
import { CHAIN_VERIFIER, verifyAudit, type ChainVerifier } from './tools/verify-audit.js';

/** What happened, and whether the record of it is as it was written. */
@Module({})
export class AuditModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(RECENT_EVENTS) private readonly recent: RecentEvents,
    @Inject(CURSOR_CODEC) private readonly cursors: CursorCodec,
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() @Inject(CHAIN_VERIFIER) private readonly verifier: ChainVerifier | undefined,
  ) {}

  onModuleInit(): void {
    this.tools.add(recentEventsTool, recentEvents(this.recent, this.cursors));
    this.tools.add(verifyAuditTool, verifyAudit(this.verifier, this.clock));
  }
}
