import type { EventOf } from '#kernel';
import type { ServerTokenChanged, ServerTokenChanging, ServerTokenKept } from './events.js';

/** The server token of a cluster on its way to another one; null when it was never changed. */
export interface TokenChange {
  /** The rollout that it is part of. */
  readonly run: number;
  readonly ref: string;
  /** `chosen`: no server has it yet; `made`: the datastore is encrypted with it, and servers need it to start; `dropped`: refused by K3s. */
  readonly phase: 'chosen' | 'made' | 'dropped';
}

type TokenEvent = EventOf<typeof ServerTokenChanging | typeof ServerTokenChanged | typeof ServerTokenKept>;

export interface ServerTokens {
  readonly serverTokenRef: string | null;
  /** The one before, and the very first, once it was changed: servers that were not restarted yet, and old snapshots, have them. */
  readonly formerTokenRef: string | null;
  readonly firstTokenRef: string | null;
  readonly tokenChange: TokenChange | null;
}

export const evolveToken = <S extends ServerTokens>(state: S, event: TokenEvent): S => {
  if (event.type === 'system.k3s.cluster.server_token_kept')
    return state.tokenChange === null ? state : { ...state, tokenChange: { ...state.tokenChange, phase: 'dropped' } };
  const { run, server_token_ref: ref } = event.data;
  if (event.type === 'system.k3s.cluster.server_token_changing')
    return { ...state, tokenChange: { run, ref, phase: 'chosen' } };
  return {
    ...state,
    serverTokenRef: ref,
    formerTokenRef: state.serverTokenRef,
    firstTokenRef: state.firstTokenRef ?? state.serverTokenRef,
    tokenChange: { run, ref, phase: 'made' },
  };
};

/** What a snapshot is encrypted with that does not say so: it is older than any change of the token. */
export const firstTokenOf = (cluster: Pick<ServerTokens, 'firstTokenRef' | 'serverTokenRef'>): string | null =>
  cluster.firstTokenRef ?? cluster.serverTokenRef;
