import { expandScopes, permits } from '#access';
import { defineProcessManager } from '#processing';
import { RevokeGrantsOf } from './commands.js';

/** The permission that lets devices in, and keeps in whom one let in. */
export const GRANT = 'system.sdwan.grant';

const DISABLED = 'system.operator.disabled';
const LOGGED_IN = 'system.operator.logged_in';
const TOKEN_REVOKED = 'system.operator.token_revoked';

/** A login may come with less than the one before. */
const letsNobodyIn = (role: unknown): boolean => !permits(expandScopes([`role:${String(role)}`]), GRANT);

/**
 * Who stops working here takes along whom they let in: revokes the grants of operators who are disabled, and of those whose login says that
 * they may let nobody in any more. Devices that have to stay belong to a grant of somebody who stays. One process for each such event.
 */
export const grantOwners = defineProcessManager<null>({
  name: 'grant_owners',
  agentId: 'grant_owners_agent',
  correlate: ({ type, data, stream, version }) =>
    type === DISABLED ||
    (type === LOGGED_IN && letsNobodyIn(data['role'])) ||
    (type === TOKEN_REVOKED && data['because'] === 'no_rule')
      ? `${stream}-${version}`
      : undefined,
  initial: null,
  react: (state, input) => {
    if (input.kind !== 'event') return { state, outputs: [] };
    const { type, data, stream, position, recordedAt } = input.event;
    const because = type === DISABLED ? 'disabled' : 'permission_lost';
    const role = type === LOGGED_IN ? String(data['role']) : null;
    const payload = { operator_id: stream, because, role, position: String(position), before: recordedAt };
    return { state, outputs: [{ kind: 'command', type: RevokeGrantsOf.type, payload }] };
  },
});
