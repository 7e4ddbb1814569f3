import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint)[]>;

/** The fields of one protobuf message, by number; nested messages stay bytes. */
const fieldsOf = (bytes: Uint8Array): Fields => {
  const fields = new Map<number, (Uint8Array | bigint)[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const values = fields.get(number) ?? [];
    fields.set(number, values);
    if (wire === WireType.LengthDelimited) values.push(reader.bytes());
    else if (wire === WireType.Varint) values.push(BigInt(reader.uint64()));
    else if (wire === WireType.Bit64) values.push(BigInt(reader.fixed64()));
    else reader.skip(wire);
  }
  return fields;
};

const many = (fields: Fields, number: number): Fields[] =>
  (fields.get(number) ?? []).map((value) => fieldsOf(value as Uint8Array));
const bytesOf = (fields: Fields, number: number): Buffer => Buffer.from((fields.get(number)?.[0] ?? []) as Uint8Array);
const textOf = (fields: Fields, number: number): string => bytesOf(fields, number).toString('utf8');

/** KeyValue{key 1, value 2: AnyValue{string 1, bool 2, int 3}}. */
const attributesOf = (pairs: readonly Fields[]): Record<string, string | number | boolean> =>
  Object.fromEntries(
    pairs.map((pair) => {
      const value = many(pair, 2)[0]!;
      if (value.has(1)) return [textOf(pair, 1), textOf(value, 1)];
      if (value.has(2)) return [textOf(pair, 1), value.get(2)![0] === 1n];
      return [textOf(pair, 1), Number(value.get(3)![0])];
    }),
  );

/** ExportTraceServiceRequest, by the field numbers of opentelemetry/proto/{collector/trace,trace,common,resource}/v1. */
export const spansOf = (body: Uint8Array): CollectedSpan[] =>
  many(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const service = String(attributesOf(many(many(resourceSpans, 1)[0]!, 1))['service.name']);
    return many(resourceSpans, 2).flatMap((scopeSpans) =>
      many(scopeSpans, 2).map((span) => ({
        service,
        traceId: bytesOf(span, 1).toString('hex'),
        spanId: bytesOf(span, 2).toString('hex'),
        parentId: bytesOf(span, 4).toString('hex'),
        name: textOf(span, 5),
        startNs: span.get(7)![0] as bigint,
        endNs: span.get(8)![0] as bigint,
        attributes: attributesOf(many(span, 9)),
      })),
    );
  });

export interface Collector {
  readonly url: string;
  readonly spans: CollectedSpan[];
  /** All bodies as they came, for what must not be in them. */
  readonly bodies: Buffer[];
  close(): Promise<void>;
}

/** A receiver of OTLP over HTTP (protobuf), as a collector's at port 4318. */
export const startCollector = async (): Promise<Collector> => {
  const spans: CollectedSpan[] = [];
  const bodies: Buffer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      const isTraces = request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf';
      if (isTraces) {
        bodies.push(body);
        spans.push(...spansOf(body));
      }
      response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
};
