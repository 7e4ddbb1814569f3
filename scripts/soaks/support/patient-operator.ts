import { randomUUID } from 'node:crypto';
import { Operator, ToolRefused } from '../../../apps/lab/src/demo/operator.js';
import { sleep } from '../../../apps/lab/src/processes.js';

const READS =
  /(^|_)(list|get|find|describe)_|^(recent_events|verify_audit|platform_health|agent_introspect|explain|what_if|fleet_state_at)$/;
const GIVE_UP_MS = 120_000;

/** Refusals of a repeated call for what has ended since, or for a token that is told once: nothing happens. */
const MOVED_ON = ['instance_terminated', 'instance_gone', 'peer_not_found', 'token_told_already'];

export interface Acknowledged {
  readonly tool: string;
  /** With the idempotency key. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly answer: { readonly outcome?: 'done' | 'nothing'; readonly correlation_id?: string };
}

/**
 * An operator who knows that answers get lost: every changing call carries an idempotency key and is repeated, key and
 * all, until the platform answers it. A refusal is an answer.
 */
export class PatientOperator {
  private connected: Operator | undefined;
  private closed = false;
  repeats = 0;
  /** Every changing call that was answered, in the order of the answers. */
  readonly acknowledged: Acknowledged[] = [];
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
    const keyed = reads ? args : { idempotency_key: randomUUID(), ...args };
    if (!reads) this.onChange(tool);
    for (const started = performance.now(); ;) {
      try {
        this.connected ??= await Operator.connect(this.mcpUrl, this.token());
        const answer = await this.connected.call<T>(tool, keyed);
        if (!reads) this.acknowledged.push({ tool, args: keyed, answer: answer as Acknowledged['answer'] });
        return answer;
      } catch (cause) {
        if (cause instanceof ToolRefused && cause.refused.code !== 'event_store_unavailable') throw cause;
        if (this.closed || performance.now() - started > GIVE_UP_MS) throw cause;
        this.repeats++;
        this.connected = undefined;
        await sleep(50);
      }
    }
  }

  /**
   * The same calls once more, as an operator would whose script is run again: each must be answered as what is known
   * already. Answers what was refused.
   */
  async repeatAll(): Promise<string[]> {
    const problems: string[] = [];
    for (const { tool, args } of [...this.acknowledged]) {
      try {
        await this.call(tool, args);
      } catch (cause) {
        if (!(cause instanceof ToolRefused)) throw cause;
        if (MOVED_ON.includes(cause.refused.code)) continue;
        problems.push(`${tool} was answered and is refused when it is repeated: ${cause.message}`);
      }
    }
    return problems;
  }

  async close(): Promise<void> {
    const { connected } = this;
    this.closed = true;
    this.connected = undefined;
    await connected?.close();
  }
}
