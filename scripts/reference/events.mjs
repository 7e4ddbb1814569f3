import { GENERATED, table, typeOf } from './markdown.mjs';

const SOURCES = [
  ['accessEvents', 'Accounts and operators', 'libs/access'],
  ['fleetEvents', 'Templates, nodes, instances', 'libs/fleet'],
  ['sdwanEvents', 'Networks, peers, virtual IPs, access grants', 'libs/sdwan'],
  ['kubernetesEvents', 'Clusters', 'libs/kubernetes'],
  ['dockerEvents', 'Docker hosts', 'libs/docker'],
  ['consumerEvents', 'Webhooks', 'libs/consumers'],
  ['toolEvents', 'Policies and approvals', 'libs/tools'],
];

const payload = (z, definition) => {
  const { properties = {}, required = [] } = z.toJSONSchema(definition.schema, {
    io: 'output',
    unrepresentable: 'any',
  });
  return Object.entries(properties)
    .map(([name, schema]) => `\`${name}\`${required.includes(name) ? '' : '?'} ${typeOf(schema)}`)
    .join('; ');
};

export const eventsPage = (definitions) =>
  `${[
    '# Events',
    GENERATED,
    `What the log holds. Each has an id, a stream and version, a position in the one global order, a severity (the data may raise it), links to the node, instance,
cluster and network it is about, and the operator, agent or process manager that caused it. No secret is in any of them: references and digests only.
\`drover recent-events PREFIX\` shows them; the prefix matches the kind or a topic, so \`system.k3s\` also finds the allocation of a cluster's virtual IP.`,
    ...SOURCES.flatMap(([key, title, folder]) => [
      `## ${title}`,
      `From \`${folder}\`.`,
      table(
        ['kind', 'severity', 'version', 'payload'],
        definitions[key].map((d) => [`\`${d.type}\``, d.severity, d.version, payload(definitions.z, d)]),
      ),
    ]),
  ].join('\n\n')}\n`;
