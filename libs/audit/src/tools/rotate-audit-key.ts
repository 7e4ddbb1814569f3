import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Command, TRANSACTOR, type CommandResult, type Transactor } from '#processing';
import { AUDIT_OFFICE, type AuditOffice } from '../audit-office.js';
import { SIGNING_KEYS_STREAM, signingKeysDecider } from '../domain/signing-keys.js';
import type { KeyRecord } from '../proof/keys.js';

export class RotateAuditKey extends Command<Record<string, never>, KeyRecord> {
  static readonly type = 'audit.rotate_key';
}

/** The key first, its record in the log after: a repetition of the command finds the key and makes the record good. */
@CommandHandler(RotateAuditKey)
export class RotateAuditKeyHandler implements ICommandHandler<RotateAuditKey> {
  constructor(
    @Inject(AUDIT_OFFICE) private readonly office: AuditOffice,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
  ) {}

  async execute({ context }: RotateAuditKey): Promise<CommandResult<KeyRecord>> {
    const record = await this.office.keys.rotate(context.commandId);
    const key = { key_id: record.key, previous_key_id: record.previous!, sequence: record.seq };
    const command = { type: 'record_rotation', key } as const;
    const done = await this.transactor.transact(SIGNING_KEYS_STREAM, signingKeysDecider, command, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: record, ...(done.position === undefined ? {} : { position: done.position }) };
  }
}
