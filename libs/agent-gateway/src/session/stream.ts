import { agentV1 } from '#proto';

/** A message that is encoded already. */
export class Encoded {
  constructor(readonly bytes: Buffer) {}
}
export type Outgoing = agentV1.SyncResponse | Encoded;

export const encode = (message: agentV1.SyncResponse): Encoded => {
  const { buffer, byteOffset, byteLength } = agentV1.SyncResponse.encode(message).finish();
  return new Encoded(Buffer.from(buffer, byteOffset, byteLength));
};

/** One agent's Sync stream, seen from the platform. grpc-js in the platform; in memory under the simulator. */
export interface AgentStream {
  /** `flushed` is called once when the bytes have left this process (or never will). */
  send(message: Outgoing, flushed: () => void): void;
  /** Ends the stream after what was sent. Further sends are ignored. */
  end(): void;
}

export interface AgentStreamHandlers {
  onMessage(message: agentV1.SyncRequest): void;
  /** Called once, whatever ended the stream. */
  onEnd(): void;
}

/** Who is at the other end, as its certificate says. */
export interface Peer {
  readonly instanceId: string;
  readonly certificateSerial: string;
}
