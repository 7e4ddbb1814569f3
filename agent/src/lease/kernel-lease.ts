/** Holds a lease in the kernel, so that a paused agent cannot answer for a VIP past its time. */
export interface KernelLease {
  readonly kind: 'nft' | 'none';
  /** Lets the address pass for `forMs` from now; called on each extension. */
  allow(address: string, forMs: number): Promise<void>;
  /** Blocks the address at once. */
  deny(address: string): Promise<void>;
  /** The address has no lease here any more: it is no business of the fence. */
  forget(address: string): Promise<void>;
  close(): Promise<void>;
}

/** Where nftables is missing or not permitted: the agent's own timers are the only fence. */
export const noKernelLease: KernelLease = {
  kind: 'none',
  allow: async () => undefined,
  deny: async () => undefined,
  forget: async () => undefined,
  close: async () => undefined,
};
