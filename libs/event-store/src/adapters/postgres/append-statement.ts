import { failpoint } from '#kernel';
import type pg from 'pg';
import { checkAppend, idReused } from '../../append-rules.js';
import {
  type InvalidAppendError,
  position,
  type AppendOutcome,
  type AppendRequest,
  type Expected,
} from '../../port.js';

/** An append made ready to send: the envelopes are serialised once, also when a batch is sent again. */
export interface PreparedAppend {
  readonly request: AppendRequest;
  /** Canonical JSON of each event up to and including `"version":`, its last key; the database adds the version. */
  readonly envelopes: readonly string[];
  readonly bytes: number;
}

/** Refuses a request that no adapter may accept (InvalidAppendError). */
export const prepareAppend = (request: AppendRequest): PreparedAppend => {
  const payloads = checkAppend(request);
  const stream = JSON.stringify(request.stream);
  const envelopes = request.events.map((event, index) => {
    // Canonical JSON by hand: the keys in order, and JSON.stringify of a string is its canonical form.
    const { data, meta } = payloads[index]!;
    const before = `{"account":${JSON.stringify(event.meta.accountId)},"data":${data},"id":"${event.id}","meta":${meta}`;
    return `${before},"schemaVersion":${event.schemaVersion},"stream":${stream},"type":"${event.type}","version":`;
  });
  return { request, envelopes, bytes: envelopes.reduce((sum, text) => sum + text.length, 0) };
};

const EXPECTED_CODES = { stream_exists: -1, any: -2, no_stream: 0 } as const;
const expectedCode = (expected: Expected): number =>
  typeof expected === 'number' ? expected : EXPECTED_CODES[expected];

/** Canonical JSON never holds a raw control character, so envelopes travel as one string, unescaped. */
const SEPARATOR = '\x1f';
const TEXT = `SELECT verdict, version, pos FROM es.append($1::bigint, $2::text[], $3::bigint[], $4::integer[], $5::integer[],
  $6::uuid[], $7::text[], $8::text[], $9::integer[], string_to_array($10::text, E'\\x1f'))`;

type Row = { verdict: 'appended' | 'duplicate' | 'conflict' | 'id_reused'; version: string; pos: string };
export type AppendAnswer = AppendOutcome | InvalidAppendError;

/** One call of es.append for a whole batch; answers in the order of the batch. Not two appends of one stream. */
export const executeAppends = async (
  client: pg.Client,
  batch: readonly PreparedAppend[],
  nowMs: number,
): Promise<readonly AppendAnswer[]> => {
  const owner = batch.flatMap((append, index) => append.request.events.map(() => index + 1));
  const events = batch.flatMap((append) => append.request.events);
  const answered = client.query<Row>({
    name: 'es_append',
    text: TEXT,
    values: [
      Math.trunc(nowMs),
      batch.map((append) => append.request.stream),
      batch.map((append) => expectedCode(append.request.expected)),
      batch.map((append) => append.request.events.length),
      owner,
      events.map((event) => event.id),
      events.map((event) => event.type),
      events.map((event) => event.meta.accountId),
      events.map((event) => event.schemaVersion),
      batch.flatMap((append) => append.envelopes).join(SEPARATOR),
    ],
  });
  const [result] = await Promise.all([answered, failpoint('append.sent')]);
  if (result.rows.length !== batch.length)
    throw new Error(`es.append answered ${result.rows.length} of ${batch.length}`);
  return result.rows.map((row, index) => answer(row, batch[index]!.request.stream));
};

const answer = (row: Row, stream: string): AppendAnswer => {
  if (row.verdict === 'conflict') return { kind: 'conflict', actual: Number(row.version) };
  if (row.verdict === 'id_reused') return idReused(stream);
  return { kind: row.verdict, version: Number(row.version), position: position(row.pos) };
};
