import { systemClock, type Config } from '#kernel';
import type { AgentObserver } from '#agent-gateway';
import type { Closing } from '../closing.js';
import { VERSION } from '../version.js';
import { Traces } from './traces.js';

/** Undefined unless a collector is configured; nothing of OpenTelemetry is loaded then. */
export const openTraces = async (config: Config, closing: Closing): Promise<Traces | undefined> => {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  const { otlpSink } = await import('./otlp.js');
  const sink = await otlpSink(endpoint, config.OTEL_SERVICE_NAME, VERSION);
  closing.add('traces', () => sink.close());
  return new Traces(sink, systemClock);
};

/** Where a trace ends: what an agent says that it has applied. */
export const receipts = (traces: Traces): AgentObserver => ({
  onApplied: ({ instanceId }, { section, generation, errors }) =>
    traces.pushes.applied(instanceId, section, generation, errors.length),
});
