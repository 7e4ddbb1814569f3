import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { CLOCK, type Clock } from '#kernel';
import { CURSOR_CODEC, TOOL_REGISTRAR, type CursorCodec, type ToolRegistrar } from '#tools';
import { AUDIT_OFFICE, type AuditOffice } from './audit-office.js';
import {
  exportAuditTool,
  listAuditKeysTool,
  proveEventTool,
  rotateAuditKeyTool,
  sealAuditTool,
  verifyAuditTool,
} from './tools/audit-definitions.js';
import { exportAudit, listAuditKeys, proveEvent, rotateAuditKey, sealAudit } from './tools/audit-tools.js';
import { RotateAuditKeyHandler } from './tools/rotate-audit-key.js';
import { verifyAudit } from './tools/verify-audit.js';

/** Whether the record of what happened is as it was written, for the platform's operators and for auditors outside. */
@Module({ providers: [RotateAuditKeyHandler] })
export class SealsModule implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(AUDIT_OFFICE) private readonly office: AuditOffice,
    @Inject(CURSOR_CODEC) private readonly cursors: CursorCodec,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.tools.add(verifyAuditTool, verifyAudit(this.office.verifier, this.clock));
    this.tools.add(proveEventTool, proveEvent(this.office));
    this.tools.add(exportAuditTool, exportAudit(this.office, this.cursors));
    this.tools.add(listAuditKeysTool, listAuditKeys(this.office));
    this.tools.add(rotateAuditKeyTool, rotateAuditKey());
    this.tools.add(sealAuditTool, sealAudit(this.office));
  }
}
