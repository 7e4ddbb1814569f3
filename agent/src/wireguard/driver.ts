/** Keys are base64 as `wg` prints them; addresses and prefixes are canonical text (network/cidr.ts). */
export interface WgPeer {
  readonly publicKey: string;
  readonly endpoint: string | undefined;
  readonly allowedIps: readonly string[];
  readonly keepalive: number;
  /** Milliseconds since the epoch; 0 when there was none. */
  readonly lastHandshakeMs: number;
  /** What came from it and went to it, all that WireGuard itself says included. Undefined where nobody counts. */
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

export interface WgState {
  /** Empty when the interface has no key yet. The private key never leaves the driver. */
  readonly publicKey: string;
  readonly listenPort: number;
  readonly peers: readonly WgPeer[];
}

export interface WgPeerChange {
  readonly publicKey: string;
  readonly remove?: true;
  readonly endpoint?: string;
  readonly keepalive?: number;
  /** Prefixes to add, taking them from whoever has them now. */
  readonly add?: readonly string[];
  /** Set when prefixes must go that nobody else takes: the whole list is written. */
  readonly replace?: true;
  /** The whole list as it will be; drivers without an additive form write this. */
  readonly allowedIps?: readonly string[];
}

export interface WgChange {
  readonly privateKey?: string;
  readonly listenPort?: number;
  /** Applied in order. */
  readonly peers: readonly WgPeerChange[];
}

export type WireGuardKind = 'uapi' | 'kernel' | 'memory' | 'route';

/** An overlay interface on this node. Callers diff and read back; a driver only reads, writes and keeps it alive. */
export interface WireGuardDriver {
  readonly kind: WireGuardKind;
  /** The device that carries the overlay's addresses and routes of this interface. */
  device(name: string): string;
  /** True when addresses and routes of the device are not all the overlay's. */
  readonly sharedDevice: boolean;
  /** Makes sure that the interface exists. */
  ensure(name: string): Promise<void>;
  /** Undefined when it does not exist (any more). */
  read(name: string): Promise<WgState | undefined>;
  /** One write. Rejects when the kernel refuses it; an accepted write may still have had no effect: read back. */
  write(name: string, change: WgChange): Promise<void>;
  remove(name: string): Promise<void>;
  /** Called when an interface died behind the driver's back. */
  onLost(listener: (name: string) => void): void;
}
