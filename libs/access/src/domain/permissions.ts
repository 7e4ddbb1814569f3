import { nearest, refusal, type Refusal } from '#kernel';

export const ROLES = ['viewer', 'operator', 'admin', 'system'] as const;
export type Role = (typeof ROLES)[number];

interface PermissionAbout {
  readonly summary: string;
  /** The least role that has it. `system` spans accounts and is in no role of an account. */
  readonly least: Role;
}

/** Every permission there is. A tool with another one fails the reference (`npm run generated`) and the authorisation matrix. */
export const PERMISSIONS: Readonly<Record<string, PermissionAbout>> = {
  'system.approvals.read': { summary: 'See approvals and policies', least: 'viewer' },
  'system.approvals.take': { summary: 'Be told the answer of one’s own call that was approved', least: 'viewer' },
  'system.audit.read': { summary: 'Export and prove the account’s own events', least: 'viewer' },
  'system.docker.read': { summary: 'See Docker hosts', least: 'viewer' },
  'system.events.read': { summary: 'See events, their stories and the past; predict', least: 'viewer' },
  'system.kubernetes.read': { summary: 'See clusters and their nodes', least: 'viewer' },
  'system.modules.read': { summary: 'See modules and their versions', least: 'viewer' },
  'system.nodes.read': { summary: 'See nodes and instances', least: 'viewer' },
  'system.operations.read': { summary: 'Follow what goes on', least: 'viewer' },
  'system.operators.read': { summary: 'See operators and their tokens (never a token itself)', least: 'viewer' },
  'system.sdwan.read': { summary: 'See networks, peers, virtual IPs, grants and rules', least: 'viewer' },
  'system.templates.read': { summary: 'See templates', least: 'viewer' },
  'system.webhooks.read': { summary: 'See webhooks and what they could not deliver', least: 'viewer' },
  'system.docker_provision': { summary: 'Provision and decommission Docker hosts', least: 'operator' },
  'system.kubernetes_provision': {
    summary: 'Make, change and end clusters; read their kubeconfig',
    least: 'operator',
  },
  'system.modules.write': { summary: 'Make and promote versions of modules', least: 'operator' },
  'system.nodes.write': { summary: 'Make, drain and end nodes and instances', least: 'operator' },
  'system.sdwan.grant': { summary: 'Let persons and their devices into networks', least: 'operator' },
  'system.sdwan.write': { summary: 'Change networks, peers, virtual IPs and rules', least: 'operator' },
  'system.templates.write': { summary: 'Change templates', least: 'operator' },
  'system.approvals.decide': { summary: 'Approve or reject calls of others', least: 'operator' },
  'system.webhooks.write': { summary: 'Send events elsewhere', least: 'admin' },
  'system.policies.write': { summary: 'Say which calls need a human', least: 'admin' },
  'system.operators.write': { summary: 'Make and disable operators, issue and revoke tokens', least: 'admin' },
  'platform.accounts.read': { summary: 'See all accounts', least: 'system' },
  'platform.accounts.write': { summary: 'Make accounts', least: 'system' },
  'platform.audit.keys': { summary: 'See the keys that seal the log', least: 'system' },
  'platform.audit.rotate_key': { summary: 'Rotate the key that seals the log', least: 'system' },
  'platform.audit.seal': { summary: 'Seal the log now', least: 'system' },
  'platform.audit.verify': { summary: 'Check the whole log', least: 'system' },
  'platform.events.read': { summary: 'Stream the events of all accounts (/events, Subscribe)', least: 'system' },
  'platform.health.read': { summary: 'See the platform’s health and metrics', least: 'system' },
  'platform.processing.manage': { summary: 'Rebuild projections', least: 'system' },
  'platform.processing.read': { summary: 'See process managers and projections', least: 'system' },
  'platform.secrets.rotate': { summary: 'Rotate the master key', least: 'system' },
};

const RANK: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2, system: 3 };

const ofRole = (role: Role): readonly string[] =>
  Object.entries(PERMISSIONS)
    .filter(([, { least }]) => (role === 'system' ? least === 'system' : RANK[least] <= RANK[role]))
    .map(([name]) => name)
    .sort();

/** What a role may do. `system` has what spans accounts and nothing inside one. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly string[]>> = {
  viewer: ofRole('viewer'),
  operator: ofRole('operator'),
  admin: ofRole('admin'),
  system: ofRole('system'),
};

const ROLE_SCOPE = /^role:(.+)$/;

/**
 * Scopes of a token as permissions. A role stays a role in the log, so that a tool which a later release adds belongs to it as
 * well; a role that this build does not know opens nothing.
 */
export const expandScopes = (scopes: readonly string[]): ReadonlySet<string> =>
  new Set(
    scopes.flatMap((scope) => {
      const role = ROLE_SCOPE.exec(scope)?.[1];
      if (role === undefined) return [scope];
      return Object.hasOwn(ROLE_PERMISSIONS, role) ? ROLE_PERMISSIONS[role as Role] : [];
    }),
  );

/** `*` grants everything; `system.nodes.*` everything below; otherwise the exact name. */
export const permits = (granted: ReadonlySet<string>, wanted: string): boolean =>
  granted.has('*') ||
  granted.has(wanted) ||
  wanted.split('.').some((_, i, parts) => granted.has(`${parts.slice(0, i).join('.')}.*`));

/** `*`, `system.nodes.*` or a name, when there is such a permission. */
const isKnown = (pattern: string): boolean =>
  pattern === '*' ||
  Object.hasOwn(PERMISSIONS, pattern) ||
  (pattern.endsWith('.*') && Object.keys(PERMISSIONS).some((name) => name.startsWith(pattern.slice(0, -1))));

/** Undefined when all of these permissions exist. */
export const unknownPermission = (patterns: readonly string[]): Refusal | undefined => {
  const wrong = patterns.find((pattern) => !isKnown(pattern));
  if (wrong === undefined) return undefined;
  const near = nearest(wrong, Object.keys(PERMISSIONS));
  return refusal(400, 'unknown_permission', `there is no permission ${JSON.stringify(wrong.slice(0, 100))}`, {
    field: 'permissions',
    hint: near === undefined ? 'docs/reference/permissions.md names them all' : `did you mean ${near}?`,
    ...(near === undefined ? {} : { candidates: [{ id: near }] }),
  });
};
