import { GENERATED, table } from './markdown.mjs';

const ROLES_ABOUT = {
  viewer: 'sees everything of the account, and no secret',
  operator: 'also runs it: nodes, networks, clusters; reads kubeconfigs; approves',
  admin: 'also lets persons and programs in: operators, tokens, access grants, webhooks, policies',
  system: 'what spans accounts, and nothing inside one: accounts, the audit log, projections, health',
};

/** Who may do what. A tool whose permission is not declared stops the build here. */
export const permissionsPage = (permissions, tools) => {
  const undeclared = tools.filter(({ permission }) => !Object.hasOwn(permissions, permission));
  if (undeclared.length > 0) {
    const list = undeclared.map(({ name, permission }) => `${name} (${permission})`).join(', ');
    throw new Error(`not declared in libs/access/src/domain/permissions.ts: ${list}`);
  }
  const rows = Object.entries(permissions).map(([name, { summary, least }]) => {
    const own = tools.filter(({ permission }) => permission === name).map((tool) => `\`${tool.name}\``);
    return [`\`${name}\``, least, summary, own.sort().join(', ')];
  });
  return `${[
    '# Permissions',
    GENERATED,
    `Each tool asks for one permission; without it the answer is 403 \`permission_denied\`, which names it. A token has a role or a list of
permissions (\`system.nodes.*\` is all below); nobody grants what they may not do themselves, nor revokes a token that may do more than theirs. A role in
a token is looked up at each call, so that tools of a later release belong to it. The token of the first start may do everything (\`*\`).`,
    '## Roles',
    table(
      ['role', ''],
      Object.entries(ROLES_ABOUT).map(([role, about]) => [`\`${role}\``, about]),
    ),
    '## Permissions and their tools',
    'Each role has what the ones above it have; `system` stands beside them.',
    table(['permission', 'from role', '', 'tools'], rows),
  ].join('\n\n')}\n`;
};
