import type { z } from 'zod';
import { refusal, RefusedError } from '#kernel';
import { permits } from '#access';
import type { CursorCodec, ToolCall, ToolHandler } from '#tools';
import type { AuditOffice } from '../audit-office.js';
import { UnprovableError } from '../export/range.js';
import { publicKeyPem, type KeyRecord } from '../proof/keys.js';
import { parseSeal } from '../proof/seal.js';
import type {
  exportAuditTool,
  listAuditKeysTool,
  proveEventTool,
  rotateAuditKeyTool,
  sealAuditTool,
} from './audit-definitions.js';
import { RotateAuditKey } from './rotate-audit-key.js';

type Handler<T extends { readonly input: z.ZodObject; readonly output: z.ZodObject }> = ToolHandler<
  T['input'],
  T['output']
>;

const SYSTEM_SCOPE = 'platform.audit.verify';
const seesAll = (call: ToolCall): boolean => permits(call.permissions, SYSTEM_SCOPE);

/** What was altered cannot be proven; that is an answer, and one that somebody should act on. */
const provable = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof UnprovableError)) throw error;
    throw new RefusedError(refusal(409, 'log_altered', error.message, { hint: 'verify_audit names the event' }));
  }
};

export const proveEvent =
  ({ prover }: AuditOffice): Handler<typeof proveEventTool> =>
  async ({ event_id }, call) => {
    const proven = await provable(prover.prove(event_id, seesAll(call) ? undefined : call.accountId));
    if (proven.kind === 'proof') return { proof: proven.proof };
    if (proven.kind === 'not_sealed') {
      const hint = 'call again in a minute; seal_audit seals at once (platform scope)';
      throw new RefusedError(
        refusal(422, 'not_sealed_yet', 'no seal covers this event yet', { field: 'event_id', hint }),
      );
    }
    const hint = 'recent_events shows the ids of events';
    throw new RefusedError(refusal(404, 'unknown_event', `there is no event ${event_id}`, { field: 'event_id', hint }));
  };

export const exportAudit =
  ({ exporter }: AuditOffice, cursors: CursorCodec): Handler<typeof exportAuditTool> =>
  async ({ after, limit, scope }, call) => {
    if (scope === 'all' && !seesAll(call)) {
      throw new RefusedError(
        refusal(403, 'permission_denied', `scope = all needs the permission ${SYSTEM_SCOPE}`, {
          field: 'scope',
          hint: 'scope = account exports the events of your own account',
          candidates: [{ id: SYSTEM_SCOPE }],
        }),
      );
    }
    const from = after === undefined ? 0n : cursors.decode(call.accountId, after);
    const account = scope === 'all' ? undefined : call.accountId;
    const { lines, through, complete } = await provable(exporter.page({ account, after: from, limit }));
    return {
      lines: lines.map((line) => ({ ...line })),
      next_cursor: cursors.encode(call.accountId, through as Parameters<CursorCodec['encode']>[1]),
      complete,
    };
  };

const keyView = (record: KeyRecord, current: boolean) => ({
  id: record.key,
  sequence: record.seq,
  public_key_pem: publicKeyPem(record),
  previous_key_id: record.previous,
  after_seal: record.after_seal,
  created_at: record.created_at,
  signature: record.signature,
  current,
});

export const listAuditKeys =
  ({ keys, seals }: AuditOffice): Handler<typeof listAuditKeysTool> =>
  async () => {
    const current = (await keys.current()).record.key;
    return { keys: (await seals.keys()).map((record) => keyView(record, record.key === current)) };
  };

export const rotateAuditKey = (): Handler<typeof rotateAuditKeyTool> => async (_, call) => {
  const record = await call.run(RotateAuditKey, {});
  return { key: keyView(record, true) };
};

const SEAL_WAIT_MS = 10_000;

export const sealAudit =
  (office: AuditOffice): Handler<typeof sealAuditTool> =>
  async () => {
    if (!(await office.sealNow(SEAL_WAIT_MS))) {
      const why = office.problem() ?? 'no process sealed it within ten seconds';
      const hint = 'platform_health tells whether a process leads; verify_audit whether the log is intact';
      throw new RefusedError(refusal(503, 'not_sealed', why, { hint }));
    }
    const { sealSeq } = await office.seals.head();
    const row = await office.seals.seal(sealSeq);
    const key = row && parseSeal(row.line)?.key;
    return { seals: sealSeq, sealed_through: String(row?.to ?? 0), ...(key === undefined ? {} : { key_id: key }) };
  };
