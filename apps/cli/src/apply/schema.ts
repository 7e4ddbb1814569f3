import { z } from 'zod';

/** The resources of a fleet file. Unknown keys are refused, so that a misspelt one is not overlooked. */
const name = z.string().min(1).max(100);
const label = z.string().min(1).max(63);
const selector = z
  .string()
  .regex(/^(all|(peer|tag|cidr|vip):.+)$/, 'all, peer:ID, tag:NAME, cidr:PREFIX or vip:ID')
  .max(200);

const networkDoc = z.strictObject({
  kind: z.literal('Network'),
  name: label,
  routing_mode: z.enum(['mesh', 'hub', 'ibgp', 'static']).optional(),
  pod_subnet_prefix: z.string().nullable().optional(),
});

const templateDoc = z.strictObject({
  kind: z.literal('Template'),
  name,
  description: z.string().max(1_000).optional(),
  driver: z.string().nullable().optional(),
  modules: z
    .array(
      z.strictObject({
        module: z.string().min(1).describe('e.g. k3s-server'),
        config: z.record(z.string(), z.unknown()).optional(),
        priority: z.number().int().optional(),
        enabled: z.boolean().optional(),
      }),
    )
    .optional()
    .describe('All of them: what is not listed is taken off the template. Left out: they stay as they are'),
});

const nodeDoc = z.strictObject({
  kind: z.literal('Node'),
  name: label.regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'lower-case letters, digits and -'),
  template: name.describe('Name or id of its template'),
  description: z.string().max(1_000).optional(),
  provision: z
    .strictObject({ driver: z.string().optional(), cni_plugin: z.enum(['flannel', 'ovn_kubernetes']).optional() })
    .optional()
    .describe('Get it a machine when it has none'),
});

const peerDoc = z.strictObject({
  kind: z.literal('Peer'),
  network: name,
  node: label.describe('The node whose machine is attached; it needs one'),
  publicly_reachable: z.boolean().optional(),
  endpoint_host: z.string().max(300).nullable().optional(),
  endpoint_port: z.number().int().min(1).max(65_535).nullable().optional(),
  listen_port: z.number().int().min(1).max(65_535).optional(),
  tags: z.array(label).optional(),
  lan_subnets: z.array(z.string().max(64)).optional(),
  lan_masquerade: z.boolean().optional(),
});

const firewallDoc = z.strictObject({
  kind: z.literal('FirewallRule'),
  network: name,
  name: label,
  action: z.enum(['accept', 'drop']),
  priority: z.number().int().default(1_000),
  direction: z.enum(['ingress', 'egress']).default('ingress'),
  protocol: z.enum(['any', 'tcp', 'udp', 'icmp']).default('any'),
  src_selector: selector.default('all'),
  dst_selector: selector.default('all'),
  port_range: z
    .string()
    .regex(/^\d{1,5}(-\d{1,5})?$/, 'a port or a range such as 8000-8010')
    .nullable()
    .default(null),
  enabled: z.boolean().default(true),
});

const grantDoc = z.strictObject({
  kind: z.literal('Grant'),
  network: name,
  name: label,
  tags: z.array(label).optional(),
  ttl_seconds: z.number().int().min(1).optional(),
  write_url_to: z
    .string()
    .min(1)
    .describe('File (0600) for the bootstrap URL: it is a secret and is shown nowhere else'),
});

export const fleetDocument = z.discriminatedUnion('kind', [
  networkDoc,
  templateDoc,
  nodeDoc,
  peerDoc,
  firewallDoc,
  grantDoc,
]);
export type FleetDocument = z.output<typeof fleetDocument>;
export type Kind = FleetDocument['kind'];

/** What others refer to comes first; taken away in the opposite order. */
export const ORDER: readonly Kind[] = ['Network', 'Template', 'Node', 'Peer', 'FirewallRule', 'Grant'];

/** What a resource is called, across kinds. */
export const keyOf = (doc: FleetDocument): string => {
  if (doc.kind === 'Peer') return `Peer ${doc.network}/${doc.node}`;
  if (doc.kind === 'FirewallRule' || doc.kind === 'Grant') return `${doc.kind} ${doc.network}/${doc.name}`;
  return `${doc.kind} ${doc.name}`;
};

const DIALECT = { io: 'input', target: 'draft-2020-12' } as const;

/** Of any document of a fleet file. */
export const fleetSchema = (): unknown => ({
  ...z.toJSONSchema(fleetDocument, DIALECT),
  title: 'One document of a Drover fleet file',
});

export const kindSchema = (kind: Kind): unknown => {
  const of = fleetDocument.options.find((option) => option.shape.kind.value === kind)!;
  return { ...z.toJSONSchema(of, DIALECT), title: `${kind}, a document of a Drover fleet file` };
};
