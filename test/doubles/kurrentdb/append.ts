import { status, type ServerDuplexStream, type ServerReadableStream } from '@grpc/grpc-js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
} from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import type { Message } from 'google-protobuf';
import { appendTooLarge } from './faults.js';
import type { ExpectedState, WriteResult } from './log.js';
import type { ProposedEvent } from './record.js';
import { proposedEvent, streamName, identifierOf } from './messages.js';
import { any, empty, shared, status as statusMessages, streams } from './stubs.js';

/** `undefined`: no answer. Throws what the whole call fails with. */
export type Write = (
  stream: string,
  expected: ExpectedState,
  events: readonly ProposedEvent[],
) => WriteResult | undefined;

/** What the server counts against MaxAppendSize. */
const sizeOf = (events: readonly ProposedEvent[]): number =>
  events.reduce((sum, e) => sum + e.data.length + e.metadata.length + 2 * e.type.length, 0);

/** Streams.Append: options first, then one message an event; answered once. */
export const receiveAppend = async (
  call: ServerReadableStream<AppendReq, AppendResp>,
  maxBytes: number,
  write: Write,
): Promise<AppendResp | undefined> => {
  let options: AppendReq.Options | undefined;
  const events: ProposedEvent[] = [];
  for await (const message of call as AsyncIterable<AppendReq>) {
    if (message.hasOptions()) options = message.getOptions();
    else events.push(proposedEvent(message.getProposedMessage()!));
    if (sizeOf(events) > maxBytes) throw appendTooLarge(maxBytes);
  }
  if (options === undefined) throw new Error('an append without options');
  const expected = options.hasRevision() ? Number(options.getRevision()) : stated(options);
  const result = write(streamName(options.getStreamIdentifier()), expected, events);
  return result === undefined ? undefined : appendAnswer(result, expected);
};

interface Stated {
  hasNoStream(): boolean;
  hasStreamExists(): boolean;
}
const stated = (options: Stated): ExpectedState =>
  options.hasNoStream() ? 'no_stream' : options.hasStreamExists() ? 'stream_exists' : 'any';

const appendAnswer = (result: WriteResult, expected: ExpectedState): AppendResp => {
  const answer = new streams.AppendResp();
  if (result.kind === 'success') {
    const position = new streams.AppendResp.Position();
    position.setCommitPosition(String(result.position));
    position.setPreparePosition(String(result.position));
    const success = new streams.AppendResp.Success();
    success.setCurrentRevision(String(result.revision));
    success.setPosition(position);
    answer.setSuccess(success);
    return answer;
  }
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (result.current >= 0) wrong.setCurrentRevision(String(result.current));
  else wrong.setCurrentNoStream(new shared.Empty());
  if (typeof expected === 'number') wrong.setExpectedRevision(String(expected));
  else if (expected === 'no_stream') wrong.setExpectedNoStream(new shared.Empty());
  else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new shared.Empty());
  else wrong.setExpectedAny(new shared.Empty());
  answer.setWrongExpectedVersion(wrong);
  return answer;
};

interface PendingBatch {
  readonly options: BatchAppendReq.Options;
  readonly events: ProposedEvent[];
}

/** Streams.BatchAppend: many appends over one call, each answered under its correlation id. */
export const receiveBatches = (
  call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>,
  maxBytes: number,
  now: () => number,
  write: Write,
): void => {
  const pending = new Map<string, PendingBatch>();
  const accept = (message: BatchAppendReq): BatchAppendResp | undefined => {
    const key = Buffer.from(message.getCorrelationId()!.serializeBinary()).toString('base64');
    if (message.hasOptions()) pending.set(key, { options: message.getOptions()!, events: [] });
    const batch = pending.get(key);
    if (batch === undefined) return undefined;
    batch.events.push(...message.getProposedMessagesList().map(proposedEvent));
    const size = sizeOf(batch.events);
    if (size > maxBytes) {
      pending.delete(key);
      const exceeded = new shared.MaximumAppendSizeExceeded();
      exceeded.setMaxappendsize(maxBytes);
      return batchError(message, batch, 'MaximumAppendSizeExceeded', exceeded);
    }
    if (!message.getIsFinal()) return undefined;
    pending.delete(key);
    if (batch.options.hasDeadline21100() && batch.options.getDeadline21100()!.toDate().getTime() <= now()) {
      return batchError(message, batch, 'Timeout', new shared.Timeout());
    }
    return batchAnswer(message, batch, write);
  };
  call.on('data', (message: BatchAppendReq) => {
    try {
      const answer = accept(message);
      if (answer !== undefined) call.write(answer);
    } catch (error) {
      call.emit('error', error);
    }
  });
  call.on('end', () => call.end());
};

const batchAnswer = (message: BatchAppendReq, batch: PendingBatch, write: Write): BatchAppendResp | undefined => {
  const { options, events } = batch;
  const expected = options.hasStreamPosition() ? Number(options.getStreamPosition()) : stated(options);
  const result = write(streamName(options.getStreamIdentifier()), expected, events);
  if (result === undefined) return undefined;
  if (result.kind === 'success') {
    const position = new shared.AllStreamPosition();
    position.setCommitPosition(String(result.position));
    position.setPreparePosition(String(result.position));
    const success = new streams.BatchAppendResp.Success();
    success.setCurrentRevision(String(result.revision));
    success.setPosition(position);
    const answer = answerTo(message, batch);
    answer.setSuccess(success);
    return answer;
  }
  const wrong = new shared.WrongExpectedVersion();
  if (result.current >= 0) wrong.setCurrentStreamRevision(String(result.current));
  else wrong.setCurrentNoStream(new empty.Empty());
  if (typeof expected === 'number') wrong.setExpectedStreamPosition(String(expected));
  else if (expected === 'no_stream') wrong.setExpectedNoStream(new empty.Empty());
  else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new empty.Empty());
  else wrong.setExpectedAny(new empty.Empty());
  return batchError(message, batch, 'WrongExpectedVersion', wrong);
};

const answerTo = (message: BatchAppendReq, batch: PendingBatch): BatchAppendResp => {
  const answer = new streams.BatchAppendResp();
  answer.setCorrelationId(message.getCorrelationId());
  answer.setStreamIdentifier(identifierOf(streamName(batch.options.getStreamIdentifier())));
  return answer;
};

const batchError = (message: BatchAppendReq, batch: PendingBatch, type: string, detail: Message): BatchAppendResp => {
  const packed = new any.Any();
  packed.pack(detail.serializeBinary(), `event_store.client.${type}`);
  const error = new statusMessages.Status();
  error.setCode(status.FAILED_PRECONDITION as number as never);
  error.setMessage(type);
  error.setDetails(packed);
  const answer = answerTo(message, batch);
  answer.setError(error);
  return answer;
};
