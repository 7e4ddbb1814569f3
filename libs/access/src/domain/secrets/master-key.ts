import { accept, nothing, type Decider, type EventOf } from '#kernel';
import { MasterKeyRotated, MasterKeyRotationStarted } from '../events.js';

export type MasterKeyEvent = EventOf<typeof MasterKeyRotated> | EventOf<typeof MasterKeyRotationStarted>;

export interface MasterKeyState {
  /** By request: the key that it started with. A repeated request starts no further rotation. */
  readonly requests: ReadonlyMap<string, string>;
  /** Of the newest rotation. */
  readonly started: string | undefined;
  readonly rotated: string | undefined;
}

export type MasterKeyCommand =
  | {
      readonly type: 'start';
      readonly fingerprint: string;
      readonly previous: string;
      readonly request: string;
    }
  /** The database says that this one is the platform's master key. */
  | { readonly type: 'finish'; readonly fingerprint: string };

export const MASTER_KEY_STREAM = 'master_key-platform';

/** Keeps the record of rotations: one beginning and one end for each key, whichever process writes them. */
export const masterKeyDecider: Decider<MasterKeyState, MasterKeyCommand, MasterKeyEvent> = {
  initial: { requests: new Map(), started: undefined, rotated: undefined },
  decide: (command, state) => {
    if (command.type === 'start') {
      const { fingerprint, previous, request } = command;
      if (state.started === fingerprint) return nothing('already_started');
      return accept(MasterKeyRotationStarted({ fingerprint, previous_fingerprint: previous, request }));
    }
    const { fingerprint } = command;
    // Of a key that never took another's place there is nothing to tell.
    if (state.started !== fingerprint || state.rotated === fingerprint) return nothing('nothing_to_record');
    return accept(MasterKeyRotated({ fingerprint }));
  },
  evolve: (state, event) =>
    event.type === MasterKeyRotated.type
      ? { ...state, rotated: event.data.fingerprint }
      : {
          ...state,
          started: event.data.fingerprint,
          requests: new Map([...state.requests, [event.data.request, event.data.fingerprint]]),
        },
};
