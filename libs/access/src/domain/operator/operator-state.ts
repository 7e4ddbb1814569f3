import type { AccountId, EventOf, OperatorId } from '#kernel';
import {
  OperatorTokenCreated,
  type OperatorCreated,
  type OperatorDisabled,
  type OperatorEnabled,
  type OperatorLoggedIn,
  type OperatorTokenRevoked,
} from '../events.js';

export type OperatorEvent =
  | EventOf<typeof OperatorCreated>
  | EventOf<typeof OperatorTokenCreated>
  | EventOf<typeof OperatorTokenRevoked>
  | EventOf<typeof OperatorDisabled>
  | EventOf<typeof OperatorEnabled>
  | EventOf<typeof OperatorLoggedIn>;

export interface OperatorTokenState {
  readonly tokenId: string;
  /** Hex sha256. */
  readonly digest: string;
  readonly permissions: readonly string[];
  /** ISO 8601; null when it does not expire. */
  readonly expiresAt: string | null;
  readonly revoked: boolean;
  readonly guarded: boolean;
  readonly label: string;
  /** Made by a login, not issued. */
  readonly login: boolean;
}

export interface OperatorState {
  readonly created:
    { readonly operatorId: OperatorId; readonly accountId: AccountId; readonly name: string } | undefined;
  readonly tokens: readonly OperatorTokenState[];
  readonly disabled: boolean;
}

export interface NewToken {
  readonly token_id: string;
  readonly token_digest: string;
  readonly permissions: readonly string[];
  readonly expires_at: string | null;
  readonly guarded?: boolean;
  readonly label?: string;
  readonly login?: boolean;
}

export const tokenCreated = (operatorId: OperatorId, token: NewToken) =>
  OperatorTokenCreated({ operator_id: operatorId, ...token, permissions: [...token.permissions] });
