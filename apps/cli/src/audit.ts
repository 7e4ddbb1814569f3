import { readFileSync } from 'node:fs';
import { checkProof } from '../../../libs/audit/src/offline.js';
import { AUDIT_USAGE, auditFlags, type AuditFlags, type Output } from './audit-flags.js';
import { exportAudit } from './audit-export.js';
import { verifyFile, verifyPlatform } from './audit-verify.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { resolveSettings, type GlobalFlags, type Settings } from './settings.js';

export interface AuditCommand {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  /** After `audit`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
}

/**
 * `drover audit verify | prove | export | check-proof`: what needs files, several calls or an exit code of its own. Answers the
 * exit code; undefined for the other audit commands, which are plain tools. Checking files needs neither platform nor token.
 */
export const runAudit = async (command: AuditCommand): Promise<number | undefined> => {
  const [verb, ...rest] = command.words;
  if (verb === undefined || !['verify', 'prove', 'export', 'check-proof'].includes(verb)) return undefined;
  if (command.help) {
    command.output.out(AUDIT_USAGE);
    return 0;
  }
  const flags = auditFlags(verb, rest);
  const settings = () => resolveSettings(command.flags, command.env);
  switch (verb) {
    case 'verify':
      if (flags.file !== undefined) return verifyFile(flags, command.flags.json, command.output);
      return verifyPlatform(settings(), command.output);
    case 'prove':
      return prove(settings(), flags, command.output);
    case 'export':
      return exportAudit(settings(), flags, command.output);
    default:
      return check(flags, command.flags.json, command.output);
  }
};

const prove = async (settings: Settings, flags: AuditFlags, { out }: Output): Promise<number> => {
  const data = await callTool(settings, 'prove_event', { event_id: flags.subject! });
  out(settings.json ? JSON.stringify({ success: true, data }) : JSON.stringify(data.proof, null, 2));
  return 0;
};

const readProof = (file: string): unknown => {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as { data?: { proof?: unknown } };
    return value.data?.proof ?? value;
  } catch (error) {
    throw new CliError(`${file} cannot be read`, (error as Error).message, 'drover audit prove EVENT > FILE', 2);
  }
};

const check = (flags: AuditFlags, json: boolean, { out }: Output): number => {
  const verdict = checkProof(readProof(flags.subject!), flags.keys);
  if (json) {
    out(
      JSON.stringify({ success: true, data: verdict }, (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    );
  } else if (!verdict.valid) out(`NOT PROVEN: ${verdict.reason}`);
  else {
    const { eventId, type, account, position, recordedAt, seal, sealedAt, keys } = verdict;
    out(`proven: ${type} ${eventId} of ${account}, event ${position} of the log`);
    out(`recorded ${recordedAt}, under seal ${seal} of ${sealedAt}`);
    out(
      flags.keys.length > 0
        ? 'signed under a key that you gave'
        : `signed under the keys below: compare one with what you were given elsewhere, or pass --key ID\n  ${keys.join('\n  ')}`,
    );
  }
  return verdict.valid ? 0 : 1;
};
