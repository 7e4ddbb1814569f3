import type { Position } from '#event-store';
import type { Principal } from '#access';
import type { CommandContext } from '#processing';
import type { ToolDefinition } from '../define-tool.js';

/** What an account wants of calls of one tool. */
export type ToolRule = 'allow' | 'notify' | 'require_approval';

export interface GatedCall {
  readonly tool: ToolDefinition;
  readonly input: Readonly<Record<string, unknown>>;
  readonly principal: Principal;
  readonly context: CommandContext;
}

/** Between a call that may be made and its being made. */
export interface ApprovalGate {
  rule(tool: ToolDefinition, principal: Principal): Promise<ToolRule>;
  /** Writes down that the call was made. */
  notify(call: GatedCall, outcome: string): Promise<void>;
  /** Writes the wish down and leaves the call for a human. */
  request(call: GatedCall): Promise<{ readonly approvalId: string; readonly position: Position }>;
}
