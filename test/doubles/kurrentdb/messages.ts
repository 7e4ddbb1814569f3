import type { StreamIdentifier, UUID } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js';
import type { ReadResp } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import type { LogRecord, ProposedEvent } from './record.js';
import { shared, streams, timestamp } from './stubs.js';

/** The server keeps time in ticks of 100 ns. */
const TICKS_PER_MS = 10_000n;

export const streamName = (identifier: StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8');

export const identifierOf = (stream: string): StreamIdentifier => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream).toString('base64'));
  return identifier;
};

export const uuidText = (uuid: UUID | undefined): string => {
  if (uuid === undefined) return '';
  if (!uuid.hasStructured()) return uuid.getString();
  const bits = uuid.getStructured()!;
  const half = (text: string) => BigInt.asUintN(64, BigInt(text)).toString(16).padStart(16, '0');
  const hex = half(bits.getMostSignificantBits()) + half(bits.getLeastSignificantBits());
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
};

const uuidOf = (text: string, structured: boolean): UUID => {
  const uuid = new shared.UUID();
  if (!structured) {
    uuid.setString(text);
    return uuid;
  }
  const hex = text.replaceAll('-', '');
  const half = (from: number) => String(BigInt.asIntN(64, BigInt(`0x${hex.slice(from, from + 16)}`)));
  const bits = new shared.UUID.Structured();
  bits.setMostSignificantBits(half(0));
  bits.setLeastSignificantBits(half(16));
  uuid.setStructured(bits);
  return uuid;
};

interface Proposed {
  getId(): UUID | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getData_asU8(): Uint8Array;
  getCustomMetadata_asU8(): Uint8Array;
}

export const proposedEvent = (message: Proposed): ProposedEvent => {
  const metadata = message.getMetadataMap();
  return {
    id: uuidText(message.getId()).toLowerCase(),
    type: required(metadata, 'type'),
    contentType: required(metadata, 'content-type'),
    data: Buffer.from(message.getData_asU8()),
    metadata: Buffer.from(message.getCustomMetadata_asU8()),
  };
};

const required = (metadata: { get(key: string): string | undefined }, key: string): string => {
  const value = metadata.get(key);
  if (value === undefined) throw new Error(`required metadata property missing: ${key}`);
  return value;
};

export const eventMessage = (record: LogRecord, structured: boolean): ReadResp => {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent();
  event.setId(uuidOf(record.id, structured));
  event.setStreamIdentifier(identifierOf(record.stream));
  event.setStreamRevision(String(record.revision));
  event.setCommitPosition(String(record.position));
  event.setPreparePosition(String(record.position));
  event.setData(record.data);
  event.setCustomMetadata(record.metadata);
  event.getMetadataMap().set('type', record.type);
  event.getMetadataMap().set('content-type', record.contentType);
  event.getMetadataMap().set('created', String(BigInt(Math.trunc(record.createdMs)) * TICKS_PER_MS));
  const read = new streams.ReadResp.ReadEvent();
  read.setEvent(event);
  read.setCommitPosition(String(record.position));
  const answer = new streams.ReadResp();
  answer.setEvent(read);
  return answer;
};

export const confirmationMessage = (subscriptionId: string): ReadResp => {
  const confirmation = new streams.ReadResp.SubscriptionConfirmation();
  confirmation.setSubscriptionId(subscriptionId);
  const answer = new streams.ReadResp();
  answer.setConfirmation(confirmation);
  return answer;
};

export const checkpointMessage = (position: bigint, nowMs: number): ReadResp => {
  const checkpoint = new streams.ReadResp.Checkpoint();
  checkpoint.setCommitPosition(String(position));
  checkpoint.setPreparePosition(String(position));
  checkpoint.setTimestamp(timestamp.Timestamp.fromDate(new Date(nowMs)));
  const answer = new streams.ReadResp();
  answer.setCheckpoint(checkpoint);
  return answer;
};

export const caughtUpMessage = (position: bigint, nowMs: number): ReadResp => {
  const at = new streams.ReadResp.Position();
  at.setCommitPosition(String(position));
  at.setPreparePosition(String(position));
  const caughtUp = new streams.ReadResp.CaughtUp();
  caughtUp.setTimestamp(timestamp.Timestamp.fromDate(new Date(nowMs)));
  caughtUp.setPosition(at);
  const answer = new streams.ReadResp();
  answer.setCaughtUp(caughtUp);
  return answer;
};

export const streamNotFoundMessage = (stream: string): ReadResp => {
  const absent = new streams.ReadResp.StreamNotFound();
  absent.setStreamIdentifier(identifierOf(stream));
  const answer = new streams.ReadResp();
  answer.setStreamNotFound(absent);
  return answer;
};
