/** Holds a lease in the kernel, so that a paused agent cannot answer for a VIP past its time. */
export interface KernelLease {
  readonly kind: 'nft' | 'none';
  /** What an earlier life may still have on the node: blocked from here on, before anything else is brought about. */
  start(addresses: readonly string[]): Promise<void>;
  /** From now on the address passes only while it is allowed to. */
  watch(address: string): Promise<void>;
  /** Lets the address pass for `forMs` from now; called on each extension. */
  allow(address: string, forMs: number): Promise<void>;
  /** False where there are rules for the address and nothing lets it pass now. */
  isOpen(address: string): boolean;
  /** Blocks the address at once. */
  deny(address: string): Promise<void>;
  /** The address has no lease here any more: it is no business of the fence. */
  forget(address: string): Promise<void>;
  /** The agent ends. What it allowed still runs out by itself. */
  close(): void;
}

/** Where nftables is missing or not permitted: the agent's own timers are the only fence. */
export const noKernelLease: KernelLease = {
  kind: 'none',
  start: async () => undefined,
  watch: async () => undefined,
  allow: async () => undefined,
  isOpen: () => true,
  deny: async () => undefined,
  forget: async () => undefined,
  close: () => undefined,
};
