/** One daemon's control socket, as `vtysh` speaks to it. */
export interface VtyConnection {
  /** Questions are answered one after the other. Rejects when the daemon is gone. */
  ask(command: string): Promise<VtyAnswer>;
  close(): void;
}

export interface VtyAnswer {
  /** 0 when the command was done. */
  readonly code: number;
  readonly text: string;
}

export interface Vty {
  /** Rejects when nobody listens there. */
  connect(path: string): Promise<VtyConnection>;
}

const CODE_BYTES = 4;

/** The daemon ends each answer with three NULs and its result. Undefined while it is incomplete. */
export const parseAnswer = (bytes: Buffer): VtyAnswer | undefined => {
  const at = bytes.length - CODE_BYTES;
  if (at < 0 || bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0) return undefined;
  return { code: bytes[at + 3]!, text: bytes.subarray(0, at).toString('utf8') };
};
