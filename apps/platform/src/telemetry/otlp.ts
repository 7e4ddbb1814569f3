import type { SpanSink } from './span.js';

/** A collector that does not answer must not keep the platform from stopping. */
const EXPORT_MS = 5_000;

/**
 * Spans to an OTLP/HTTP collector, by the official SDK, which is loaded here and only when it is configured (what it costs is measured:
 * docs/runbooks/telemetry.md). Headers, compression and timeouts are the exporter's own settings (OTEL_EXPORTER_OTLP_HEADERS, …).
 */
export const otlpSink = async (endpoint: string, serviceName: string, version: string): Promise<SpanSink> => {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ]);
  // The SDK asks for ids while it starts a span, which it does at once.
  let next = { traceId: '', spanId: '' };
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_MS,
  });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_MS, scheduledDelayMillis: 1_000 }),
    ],
    idGenerator: { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId },
  });
  const tracer = provider.getTracer('drover', version);
  return {
    span(facts) {
      const { traceId, spanId, parentId, startMs } = facts;
      next = { traceId, spanId };
      const parent = { traceId, spanId: parentId ?? '', traceFlags: api.TraceFlags.SAMPLED, isRemote: true };
      const context = parentId === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, parent);
      const span = tracer.startSpan(facts.name, { startTime: startMs, attributes: { ...facts.attributes } }, context);
      if (facts.failed) span.setStatus({ code: api.SpanStatusCode.ERROR });
      span.end(facts.endMs);
    },
    close: () => provider.shutdown(),
  };
};
