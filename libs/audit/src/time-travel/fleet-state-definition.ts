import { z } from 'zod';
import { defineTool } from '#tools';

/** What the fleet consists of, and the read model that knows it. */
export const FLEET_KINDS = {
  templates: 'fleet_templates',
  nodes: 'fleet_nodes',
  instances: 'fleet_instances',
  clusters: 'kubernetes_clusters',
  networks: 'sdwan_networks',
  peers: 'sdwan_peers',
  virtual_ips: 'sdwan_virtual_ips',
  firewall_rules: 'sdwan_firewall_rules',
  grants: 'sdwan_access_grants',
  docker_hosts: 'docker_hosts',
  snapshots: 'kubernetes_snapshots',
  kubeconfigs: 'kubernetes_kubeconfigs',
  webhooks: 'consumers_webhooks',
  operators: 'access_operators',
} as const;
export type FleetKind = keyof typeof FLEET_KINDS;
export const fleetKinds = Object.keys(FLEET_KINDS) as FleetKind[];

const thing = z.looseObject({
  id: z.string(),
  document: z.record(z.string(), z.unknown()).describe('As the read model kept it'),
  view: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('As its get would have shown it, without what only live parts know'),
});
const things = z.array(thing).optional();

export const fleetStateAtTool = defineTool({
  name: 'fleet_state_at',
  group: 'events',
  summary: 'The fleet as it was at a time',
  description:
    'Templates, nodes, instances, clusters, networks, peers, virtual IPs, firewall rules, grants, Docker hosts, etcd snapshots with restores, ' +
    'issued kubeconfigs, webhooks and operators of the account as they were: rebuilt from the event log with the same folds that keep the ' +
    'read models, up to the last event recorded by then. time is ISO 8601 with a zone and not in the future; at is a position from an ' +
    'earlier answer instead; with neither it is now. With views each thing also comes as its ' +
    'get would have shown it. counts has the full numbers when limit cut a list.',
  input: z.object({
    time: z.string().max(60).optional().describe('e.g. 2026-11-20T10:00:00Z'),
    at: z.string().max(200).optional().describe('A position from an earlier answer, instead of a time'),
    kinds: z.array(z.enum(fleetKinds)).min(1).optional().describe('Only these; all by default'),
    views: z.boolean().default(false).describe('Each thing also as its get would have shown it'),
    limit: z.number().int().min(1).max(5_000).default(500).describe('At most so many of each kind'),
  }),
  output: z.object({
    as_of: z.object({
      time: z.string().describe('The time that was asked for, in UTC'),
      position: z.string().describe('Opaque; fleet_state_at({at}) shows the same again'),
      last_event_at: z.string().nullable(),
      events: z.number().int().describe('Events of the account up to there'),
    }),
    counts: z.record(z.string(), z.number().int()),
    templates: things,
    nodes: things,
    instances: things,
    clusters: things,
    networks: things,
    peers: things,
    virtual_ips: things,
    firewall_rules: things,
    grants: things,
    docker_hosts: things,
    snapshots: things,
    kubeconfigs: things,
    webhooks: things,
    operators: things,
  }),
  permission: 'system.events.read',
  danger: 'read',
  aliases: { as_of: 'time', position: 'at', kind: 'kinds' },
  examples: [
    { title: 'Before last night', arguments: { time: '2026-01-01T02:00:00Z' } },
    {
      title: 'Only who held the virtual IPs',
      arguments: { time: '2026-01-01T02:00:00+01:00', kinds: ['virtual_ips'] },
    },
  ],
  cli: ['fleet', 'at'],
});
