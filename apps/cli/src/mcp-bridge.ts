import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { StdioServerTransport } from '@modelcontextprotocol/server/stdio';

type Message = Parameters<StdioServerTransport['send']>[0];

const idOf = (message: Message): string | number | undefined =>
  'id' in message && (typeof message.id === 'string' || typeof message.id === 'number') ? message.id : undefined;

export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Carries messages between two transports of the official SDK and understands three: the answer to `initialize` (its protocol
 * version goes with every later request of that era), a cancellation (over HTTP that is the end of the request), and what
 * could not be carried. Both eras pass, whatever they say.
 */
export class Bridge {
  private readonly running = new Map<string | number, AbortController>();
  private initializing: string | number | undefined;
  /** Answers that are being written. */
  private writing = 0;
  /** While `initialize` is not answered yet. */
  private initialized: Promise<void> | undefined;
  private release = (): void => undefined;
  private idle: (() => void) | undefined;

  constructor(
    private readonly local: Pick<StdioServerTransport, 'send'>,
    private readonly remote: Pick<StreamableHTTPClientTransport, 'send' | 'setProtocolVersion'>,
    private readonly trouble: (error: unknown) => void,
  ) {}

  async fromClient(message: Message): Promise<void> {
    if ('method' in message && message.method === 'notifications/cancelled') {
      const { requestId } = (message.params ?? {}) as { requestId?: string | number };
      if (requestId === undefined) return;
      this.running.get(requestId)?.abort();
      if (requestId === this.initializing) this.initializes(undefined);
      return this.check();
    }
    const id = 'method' in message ? idOf(message) : undefined;
    const cancel = new AbortController();
    if (id !== undefined) this.running.set(id, cancel);
    // A script says all at once: what comes after `initialize` bears the version that its answer names.
    const before = this.initialized;
    if ('method' in message && message.method === 'initialize') this.initializes(id);
    try {
      if (before !== undefined) await before;
      if (!cancel.signal.aborted) await this.carry(message, id, cancel.signal);
    } catch (error) {
      if (!cancel.signal.aborted) await this.failed(id, textOf(error));
    }
  }

  private carry(message: Message, id: string | number | undefined, requestSignal: AbortSignal): Promise<void> {
    const onRequestStreamEnd = () => {
      // Without its answer: nobody else would ever say so.
      if (id === undefined || !this.running.has(id)) return;
      this.failed(id, 'the connection to the platform broke before its answer came').catch(this.trouble);
    };
    return this.remote.send(message, { requestSignal, onRequestStreamEnd });
  }

  async fromPlatform(message: Message): Promise<void> {
    const id = 'method' in message ? undefined : idOf(message);
    if (id === undefined) return this.tell(message);
    const isCancelled = this.running.get(id)?.signal.aborted === true;
    this.running.delete(id);
    if (isCancelled) return this.check();
    if (id === this.initializing && 'result' in message) {
      const { protocolVersion } = message.result as { protocolVersion?: string };
      if (protocolVersion !== undefined) this.remote.setProtocolVersion(protocolVersion);
    }
    await this.answered(id, message);
  }

  private async failed(id: string | number | undefined, message: string): Promise<void> {
    if (id === undefined) return;
    this.running.delete(id);
    await this.answered(id, { jsonrpc: '2.0', id, error: { code: -32_603, message } });
  }

  /** undefined: that is over, and what waits for it goes on. */
  private initializes(id: string | number | undefined): void {
    this.release();
    this.initializing = id;
    this.initialized = id === undefined ? undefined : new Promise((resolve) => (this.release = resolve));
  }

  private answered(id: string | number, message: Message): Promise<void> {
    if (id === this.initializing) this.initializes(undefined);
    return this.tell(message);
  }

  private async tell(message: Message): Promise<void> {
    this.writing++;
    try {
      await this.local.send(message);
    } finally {
      this.writing--;
      this.check();
    }
  }

  private check(): void {
    if (this.open === 0 && this.writing === 0) this.idle?.();
  }

  /** Requests that are still carried and that somebody waits for. */
  get open(): number {
    return [...this.running.values()].filter(({ signal }) => !signal.aborted).length;
  }

  /** Resolves when all that was asked is answered. */
  answeredAll(): Promise<void> {
    return new Promise((resolve) => {
      this.idle = resolve;
      this.check();
    });
  }
}
