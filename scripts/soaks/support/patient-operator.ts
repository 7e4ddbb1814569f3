import { randomUUID } from 'node:crypto';
import { Operator, ToolRefused } from '../../../apps/lab/src/demo/operator.js';
import { sleep } from '../../../apps/lab/src/processes.js';

const READS = /(^|_)(list|get|find|describe)_|^(recent_events|verify_audit|platform_health|agent_introspect)$/;
const GIVE_UP_MS = 120_000;

/**
 * An operator who knows that answers get lost: every changing call carries an idempotency key and is repeated, key and
 * all, until the platform answers it. A refusal is an answer.
 */
export class PatientOperator {
  private connected: Operator | undefined;
  private closed = false;
  repeats = 0;
  /** Told of each changing call before it is sent for the first time. */
  onChange: (tool: string) => void = () => undefined;

  constructor(
    private readonly mcpUrl: string,
    private readonly token: () => string,
  ) {}

  /** For those who take the lab's own operator; it has private parts and so no other class is one by structure. */
  get asOperator(): Operator {
    return this as unknown as Operator;
  }

  async call<T = Record<string, unknown>>(tool: string, args: Record<string, unknown> = {}): Promise<T> {
    const reads = READS.test(tool);
    const keyed = reads ? args : { ...args, idempotency_key: randomUUID() };
    if (!reads) this.onChange(tool);
    for (const started = performance.now(); ;) {
      try {
        this.connected ??= await Operator.connect(this.mcpUrl, this.token());
        return await this.connected.call<T>(tool, keyed);
      } catch (cause) {
        if (cause instanceof ToolRefused && cause.refused.code !== 'event_store_unavailable') throw cause;
        if (this.closed || performance.now() - started > GIVE_UP_MS) throw cause;
        this.repeats++;
        this.connected = undefined;
        await sleep(50);
      }
    }
  }

  async close(): Promise<void> {
    const { connected } = this;
    this.closed = true;
    this.connected = undefined;
    await connected?.close();
  }
}
