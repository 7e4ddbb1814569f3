import { accept, assertNever, nothing, refusal, reject, type Decision } from '#kernel';
import { ServerTokenChanged, ServerTokenChanging, ServerTokenKept } from './events.js';
import type { Cluster, ClusterEvent } from './state.js';

export type TokenCommand =
  | { readonly type: 'choose_token' | 'token_made'; readonly run: number; readonly ref: string }
  | { readonly type: 'drop_token'; readonly run: number; readonly reason: string }
  /** A snapshot of another time was restored, with the token that it was made with. */
  | { readonly type: 'token_restored'; readonly ref: string };

export const isTokenCommand = (c: { readonly type: string }): c is TokenCommand =>
  ['choose_token', 'token_made', 'token_restored', 'drop_token'].includes(c.type);

/** A server that starts on its way in while the token changes would be left with one that nobody takes. */
const joining = (state: Cluster): readonly string[] =>
  [...state.nodes].filter(([, n]) => n.role === 'server' && n.status === 'joining').map(([id]) => id);

export const decideToken = (c: TokenCommand, state: Cluster): Decision<ClusterEvent> => {
  const cluster_id = state.id as never;
  const links = { links: { cluster: state.id } };
  const known = state.tokenChange;
  switch (c.type) {
    case 'choose_token': {
      // Of two platforms at once one chooses, and both go on with what it chose.
      if (known !== null && known.run >= c.run && known.phase !== 'dropped') return nothing('chosen_before');
      const [busy] = joining(state);
      if (busy !== undefined)
        return reject(
          refusal(409, 'server_is_joining', `${busy} is joining ${state.name}`, {
            hint: 'it is waited for; system_forget_instance gives up a machine that will not come',
          }),
        );
      return accept(ServerTokenChanging({ cluster_id, run: c.run, server_token_ref: c.ref }, links));
    }
    case 'token_made':
      if (known?.run !== c.run || known.ref !== c.ref || known.phase === 'made') return nothing('not_awaited');
      return accept(ServerTokenChanged({ cluster_id, run: c.run, server_token_ref: c.ref, because: 'rotated' }, links));
    case 'drop_token':
      if (known?.run !== c.run || known.phase !== 'chosen') return nothing('not_chosen');
      return accept(ServerTokenKept({ cluster_id, run: c.run, reason: c.reason.slice(0, 1_000) }, links));
    case 'token_restored': {
      const run = known?.run ?? 0;
      const changed = { cluster_id, run, server_token_ref: c.ref, because: 'restored' } as const;
      if (state.serverTokenRef !== c.ref) return accept(ServerTokenChanged(changed, links));
      // It had only been chosen: the restored datastore does not know it.
      return known?.phase === 'chosen'
        ? accept(ServerTokenKept({ cluster_id, run, reason: 'a snapshot was restored' }, links))
        : nothing('it_has_that_token');
    }
    default:
      return assertNever(c);
  }
};
