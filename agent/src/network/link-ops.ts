export type LinkOp =
  | { readonly op: 'up'; readonly device: string; readonly mtu: number | undefined }
  | { readonly op: 'address-add'; readonly device: string; readonly address: string; readonly vip: boolean }
  | { readonly op: 'address-del'; readonly device: string; readonly address: string }
  | {
      readonly op: 'route-add';
      readonly device: string;
      readonly prefix: string;
      readonly via?: string;
      /** Higher is tried later; the kernel's own when not given. */
      readonly metric?: number;
    }
  | { readonly op: 'route-del'; readonly device: string; readonly prefix: string }
  | { readonly op: 'unreachable-add'; readonly prefix: string }
  | { readonly op: 'unreachable-del'; readonly prefix: string };

export interface LinkState {
  readonly up: boolean;
  readonly mtu: number;
  /** Canonical `address/length`, link-local ones left out. */
  readonly addresses: readonly string[];
  /** The agent's own routes through the device: prefix → gateway, empty for none. */
  readonly routes: ReadonlyMap<string, string>;
}

/** Addresses, routes and sockets of the node. Routes carry a protocol number, so that only the agent's own are touched. */
export interface LinkOps {
  /** Undefined when there is no such device. */
  read(device: string): Promise<LinkState | undefined>;
  /** The agent's own unreachable routes. */
  unreachable(): Promise<ReadonlySet<string>>;
  /** Idempotent: adding what is there and deleting what is gone succeed. Rejects with the first real failure. */
  apply(ops: readonly LinkOp[]): Promise<void>;
  enableForwarding(): Promise<void>;
  /** Resets the node's TCP connections from or to an address, so that streams notice a move at once. */
  killSockets(which: 'src' | 'dst', address: string): Promise<void>;
  /** The device and source by which an address is reached, for overlays without WireGuard. */
  deviceTo(address: string): Promise<string | undefined>;
}
