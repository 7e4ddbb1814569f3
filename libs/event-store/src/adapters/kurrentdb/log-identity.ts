import type { Ids } from '#kernel';
import { rejection, unavailable, wrongExpectedVersion } from './failures.js';
import type { Reader } from './reader.js';

/** Outside the namespace (`drover.…`), so that it is no event of the log. */
const identityStream = (namespace: string): string => `${namespace.slice(0, -1)}-log`;

/** The id of the event that stands at the log's beginning, made by whoever comes first. */
export const logIdentity = async (reader: Reader, ids: Ids): Promise<string> => {
  const stream = identityStream(reader.namespace);
  const { client, library, address } = reader.connection;
  for (;;) {
    const first = await reader.firstOf(stream);
    if (first !== undefined) return first.id;
    const begun = library.client.jsonEvent({ id: ids.uuid(), type: 'drover.log.begun', data: {} });
    try {
      await client.appendToStream(stream, begun, {
        streamState: library.client.NO_STREAM,
        ...reader.connection.asWriter,
      });
    } catch (error) {
      if (wrongExpectedVersion(error) === undefined) throw unavailable(error, address);
    }
  }
};

/**
 * Asks without writing: an append that expects a stream which is not there is refused for that, unless it is refused for
 * its size before.
 */
export const appendLimitBelow = async (reader: Reader, bytes: number, ids: Ids): Promise<number | undefined> => {
  const { client, library, address } = reader.connection;
  const probe = library.client.binaryEvent({ type: 'drover.size.probe', data: new Uint8Array(bytes) });
  try {
    const stream = `${identityStream(reader.namespace)}-${ids.uuid()}`;
    const { STREAM_EXISTS } = library.client;
    await client.appendToStream(stream, probe, { streamState: STREAM_EXISTS, ...reader.connection.asWriter });
  } catch (error) {
    if (wrongExpectedVersion(error) !== undefined) return undefined;
    const limit = (error as { maxAppendSize?: unknown }).maxAppendSize;
    if (typeof limit === 'number') return limit;
    throw rejection(error, 'a stream that is not there', address) ?? unavailable(error, address);
  }
  throw new Error(`KurrentDB at ${address.where} has accepted an append to a stream that must exist and does not`);
};
