import type { Duplex } from 'node:stream';
import { refusal, RefusedError, type Cancel, type Ids, type Timers } from '#kernel';
import type { agentV1 } from '#proto';

interface Pending {
  readonly instanceId: string;
  readonly resolve: (stream: Duplex) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: Cancel;
}

const OPEN_TIMEOUT_MS = 10_000;

/** Tunnels that were asked for and that the agents have not opened yet. */
export class Tunnels {
  private readonly pending = new Map<string, Pending>();

  constructor(
    private readonly timers: Timers,
    private readonly ids: Ids,
    private readonly ask: (instanceId: string, message: agentV1.SyncResponse) => boolean,
  ) {}

  /** Rejects with RefusedError (503) when the agent is away, refuses, or does not answer within 10 s. */
  open(instanceId: string, port: number): Promise<Duplex> {
    const tunnelId = this.ids.uuid();
    return new Promise((resolve, reject) => {
      const cancel = this.timers.after(OPEN_TIMEOUT_MS, () =>
        this.fail(tunnelId, 'tunnel_timeout', `${instanceId} did not open the tunnel within ${OPEN_TIMEOUT_MS} ms`),
      );
      this.pending.set(tunnelId, { instanceId, resolve, reject, cancel });
      const asked = this.ask(instanceId, { message: { $case: 'openTunnel', value: { tunnelId, port } } });
      if (!asked) this.fail(tunnelId, 'agent_away', `${instanceId} is not connected`);
    });
  }

  /** The agent called Tunnel. False when nobody asked this agent for it (any more). */
  attach(instanceId: string, tunnelId: string, stream: () => Duplex): boolean {
    const pending = this.pending.get(tunnelId);
    if (pending === undefined || pending.instanceId !== instanceId) return false;
    this.pending.delete(tunnelId);
    pending.cancel();
    pending.resolve(stream());
    return true;
  }

  failed(instanceId: string, message: agentV1.TunnelFailed): void {
    if (this.pending.get(message.tunnelId)?.instanceId !== instanceId) return;
    this.fail(message.tunnelId, 'tunnel_refused', `${instanceId} could not open the tunnel: ${message.error}`);
  }

  /** The agent's stream ended: what it was asked for will not come. */
  abandon(instanceId: string): void {
    for (const [tunnelId, pending] of this.pending) {
      if (pending.instanceId === instanceId) this.fail(tunnelId, 'agent_away', `${instanceId} disconnected`);
    }
  }

  stop(): void {
    for (const tunnelId of [...this.pending.keys()]) this.fail(tunnelId, 'platform_stopping', 'the platform stops');
  }

  private fail(tunnelId: string, code: string, message: string): void {
    const pending = this.pending.get(tunnelId);
    this.pending.delete(tunnelId);
    pending?.cancel();
    pending?.reject(new RefusedError(refusal(503, code, message, { hint: 'try again when the agent is online' })));
  }
}
