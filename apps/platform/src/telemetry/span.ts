/** One step of a trace. Attributes are ids, names of ours and numbers: never what operators or nodes wrote. */
export interface SpanFacts {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly failed: boolean;
}

export interface SpanSink {
  span(facts: SpanFacts): void;
  /** Sends what waits; bounded in time. */
  close(): Promise<void>;
}
