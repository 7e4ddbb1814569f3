import { errorMessage, Serial, type Cancel, type Log, type Timers } from '#kernel';
import type { AgentGateway } from '#agent-gateway';
import type { ProcessingHost } from '#processing';

const RETRY_MS = 1_000;

/** Agents are where the lead is: admitted when this process takes it, sent away when another process has it. */
export class AgentAdmission {
  private wanted = false;
  private admitted = false;
  private isStopped = false;
  private readonly turns = new Serial();
  private cancelRetry: Cancel | undefined;

  constructor(
    private readonly gateway: Pick<AgentGateway, 'admitAgents' | 'dismissAgents'>,
    private readonly timers: Timers,
    private readonly log: Log,
  ) {}

  /**
   * Follows the lead from now on. Answers the port when this process leads already, undefined when another does; throws when
   * it leads and cannot listen. Later failures are tried again.
   */
  async follow(processing: Pick<ProcessingHost, 'onLead'>): Promise<number | undefined> {
    let first: Promise<number | undefined> | undefined;
    processing.onLead((leads) => {
      this.wanted = leads;
      if (first === undefined) first = this.turns.run(() => this.bring());
      else void this.try();
    });
    return first;
  }

  stop(): Promise<void> {
    this.isStopped = true;
    this.cancelRetry?.();
    return this.turns.idle();
  }

  private async try(): Promise<void> {
    this.cancelRetry?.();
    await this.turns
      .run(() => this.bring())
      .catch((error: unknown) => {
        this.log.error({ error: errorMessage(error) }, 'agents cannot be admitted; trying again');
        if (!this.isStopped) this.cancelRetry = this.timers.after(RETRY_MS, () => void this.try());
      });
  }

  private async bring(): Promise<number | undefined> {
    if (this.isStopped || this.wanted === this.admitted) return undefined;
    if (!this.wanted) {
      this.admitted = false;
      await this.gateway.dismissAgents();
      return undefined;
    }
    this.admitted = true;
    try {
      return await this.gateway.admitAgents();
    } catch (error) {
      this.admitted = false;
      await this.gateway.dismissAgents();
      throw error;
    }
  }
}
