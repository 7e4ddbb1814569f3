import { errorMessage, type Log } from '#kernel';
import type { agentV1 } from '#proto';
import type { AgentIdentity, AgentObserver } from '../ports.js';
import { Budget } from './budget.js';
import type { Session } from './session.js';

/** More unheard messages than this and the agent sends faster than the platform can take in. */
const MAX_UNHEARD = 4_096;
/** An agent chooses the names of the sections it has applied; nodes have a few. */
const MAX_SECTIONS = 4_096;
/** Streams, keys and health reports end in events when they bring news; an honest agent has a few a minute. */
const NEWS = { burst: 100, perSecond: 5 };
const LOG_LINES = { burst: 100, perSecond: 5 };

export interface Receipt {
  readonly generation: bigint;
  readonly hash: string;
  readonly errors: readonly string[];
  readonly applyUs: number;
}

/** What the gateway knows of one instance across its streams. */
export class AgentRecord {
  session: Session | undefined;
  /** A second stream of the same identity, while the first is challenged. */
  challenger: Session | undefined;
  /** Monotonic milliseconds; undefined when there was no beat since the platform started. */
  lastBeatMs: number | undefined;
  /** From here on the lease runs; moved on when the platform itself was late. */
  leaseFromMs: number;
  /** As leaseFromMs, for the short lease of VIP candidates. */
  suspectFromMs: number;
  /** A VIP candidate that was silent for its short lease; the next beat clears it. */
  suspected = false;
  lost = false;
  /** It fell silent together with most others and was given one more lease; the next beat clears it. */
  doubted = false;
  vipCandidate = false;
  /** Beats in a row that came at the VIP candidates' rate: only who beats fast is judged fast. */
  fastBeats = 0;
  /** Beats since the stream began, or since the platform was asleep, those not counted that came in one go. */
  steadyBeats = 0;
  /** Serial of the certificate that two machines used at once. */
  quarantinedSerial: string | undefined;
  readonly receipts = new Map<string, Receipt>();
  readonly applied = new Map<string, bigint>();
  readonly news: Budget;
  readonly logLines: Budget;
  private chain: Promise<void> = Promise.resolve();
  private unheard = 0;

  constructor(
    public agent: AgentIdentity,
    nowMs: number,
    private readonly observers: readonly AgentObserver[],
    private readonly log: Log,
  ) {
    this.leaseFromMs = nowMs;
    this.suspectFromMs = nowMs;
    this.news = new Budget(NEWS.burst, NEWS.perSecond, nowMs);
    this.logLines = new Budget(LOG_LINES.burst, LOG_LINES.perSecond, nowMs);
  }

  /** Calls the observers, in order per agent. A failure is logged and ends the stream it came from. */
  notify(
    call: (observer: AgentObserver, agent: AgentIdentity) => Promise<void> | void,
    from?: Session,
    weight = 1,
  ): void {
    this.unheard += weight;
    if (this.unheard > MAX_UNHEARD && from !== undefined) {
      this.unheard -= weight;
      return from.bye('too_many_messages', 'more messages than the platform can take in');
    }
    const agent = this.agent;
    this.chain = this.chain.then(async () => {
      this.unheard -= weight;
      try {
        for (const observer of this.observers) await call(observer, agent);
      } catch (error) {
        this.failed(agent, error, from);
      }
    });
  }

  /** As notify, but now: for what must not wait until events of before are written, and needs no order with them. */
  tell(call: (observer: AgentObserver, agent: AgentIdentity) => Promise<void> | void, from: Session): void {
    const agent = this.agent;
    for (const observer of this.observers) {
      const told = async () => call(observer, agent);
      told().catch((error: unknown) => this.failed(agent, error, from));
    }
  }

  private failed(agent: AgentIdentity, error: unknown, from: Session | undefined): void {
    this.log.error({ instanceId: agent.instanceId, error: errorMessage(error) }, 'agent observer failed');
    from?.bye('observer_failed', 'the platform could not take in a message');
  }

  problems(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.receipts].flatMap(([name, { errors }]) => (errors.length === 0 ? [] : [[name, errors]])));
  }

  /** Resolves when the observers have heard everything so far. */
  heard(): Promise<void> {
    return this.chain;
  }

  /** The agent's own account of what it has. */
  adopt(hello: agentV1.Hello): void {
    this.applied.clear();
    for (const { name, generation } of hello.sections) this.applied.set(name, generation);
  }

  receive(message: agentV1.Applied): void {
    const { section, generation, hash, errors, applyUs } = message;
    if (!this.receipts.has(section) && this.receipts.size >= MAX_SECTIONS) return;
    this.receipts.set(section, { generation, hash, errors, applyUs });
    if (errors.length === 0 && generation >= (this.applied.get(section) ?? 0n)) this.applied.set(section, generation);
  }
}
