/** Chance as a port: unpredictable in production, replayable in a simulation. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 1). */
  unit(): number;
}
