import { accept, assertNever, isoTime, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import { AccessGrantCreated, AccessGrantRedeemed, AccessGrantRevoked } from './events.js';
import { badKey, isPublicKey } from '../peer/public-key.js';
import { evolveGrant, initialGrant, type AccessGrantEvent, type AccessGrantState } from './state.js';

export type AccessGrantCommand =
  | {
      readonly kind: 'create';
      readonly grantId: string;
      readonly networkId: string;
      readonly name: string;
      readonly tags: readonly string[];
      readonly tokenDigest: string;
      readonly expiresAtMs: number;
    }
  | {
      readonly kind: 'redeem';
      readonly tokenDigest: string;
      readonly publicKey: string;
      readonly peerId: string;
      readonly deviceTokenDigest: string;
      readonly nowMs: number;
    }
  | { readonly kind: 'revoke'; readonly reason: string };

export const accessGrantDecider: Decider<AccessGrantState, AccessGrantCommand, AccessGrantEvent> = {
  initial: initialGrant,
  evolve: evolveGrant,
  decide(command, state): Decision<AccessGrantEvent> {
    switch (command.kind) {
      case 'create':
        return state.status === 'none' ? create(command) : nothing('already_created');
      case 'redeem':
        return redeem(command, state);
      case 'revoke':
        if (state.status === 'none')
          return reject(refusal(404, 'access_grant_not_found', 'no such access grant', { field: 'grant_id' }));
        if (state.status === 'revoked') return nothing('already_revoked');
        return accept(
          AccessGrantRevoked(
            { grant_id: state.grantId as `access_grant-${string}`, reason: command.reason },
            { links: { network: state.networkId } },
          ),
        );
      default:
        return assertNever(command);
    }
  },
};

const create = (command: Extract<AccessGrantCommand, { kind: 'create' }>): Decision<AccessGrantEvent> =>
  accept(
    AccessGrantCreated(
      {
        grant_id: command.grantId as `access_grant-${string}`,
        network_id: command.networkId as `sdwan_network-${string}`,
        name: command.name,
        tags: [...command.tags],
        token_digest: command.tokenDigest,
        expires_at: isoTime(command.expiresAtMs),
      },
      { links: { network: command.networkId } },
    ),
  );

/** One append consumes the token: of any number of racing redeemers one gets the device, the others 410. */
const redeem = (
  command: Extract<AccessGrantCommand, { kind: 'redeem' }>,
  state: AccessGrantState,
): Decision<AccessGrantEvent> => {
  if (state.status === 'none' || state.tokenDigest !== command.tokenDigest)
    return reject(goneGrant('unknown bootstrap token'));
  if (state.status !== 'pending')
    return reject(
      goneGrant(state.status === 'revoked' ? 'the grant was revoked' : 'the bootstrap token was used already'),
    );
  if (command.nowMs >= state.expiresAtMs)
    return reject(goneGrant(`the bootstrap token expired at ${isoTime(state.expiresAtMs)}`));
  if (!isPublicKey(command.publicKey)) return reject(badKey('public_key'));
  return accept(
    AccessGrantRedeemed(
      {
        grant_id: state.grantId as `access_grant-${string}`,
        peer_id: command.peerId as `sdwan_peer-${string}`,
        public_key: command.publicKey,
        device_token_digest: command.deviceTokenDigest,
      },
      { links: { network: state.networkId } },
    ),
  );
};

/** The same answer for unknown, used and expired tokens apart from its words: 410, and what to do. */
export const goneGrant = (message: string) =>
  refusal(410, 'bootstrap_token_gone', message, {
    field: 'token',
    hint: 'each lets one device in, once: ask for another with system_sdwan_issue_user_device',
  });
