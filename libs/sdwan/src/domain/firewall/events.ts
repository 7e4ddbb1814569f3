import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const firewall_rule_id = idSchema('firewall_rule');
const network_id = idSchema('sdwan_network');

/** What a rule is about, by what it means and not by addresses: those follow as peers come and go. */
export const selectorSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('all') }),
  z.object({ kind: z.literal('peer'), peer_id: idSchema('sdwan_peer') }),
  z.object({ kind: z.literal('tag'), tag: z.string() }),
  z.object({ kind: z.literal('cidr'), cidr: z.string() }),
  z.object({ kind: z.literal('vip'), virtual_ip_id: idSchema('virtual_ip') }),
]);
export type Selector = z.infer<typeof selectorSchema>;

const rule = z.object({
  name: z.string(),
  /** Lower is looked at first; of equal ones the older. */
  priority: z.number().int(),
  action: z.enum(['accept', 'drop']),
  /** `ingress`: what a node receives over the overlay; `egress`: what it sends into it. */
  direction: z.enum(['ingress', 'egress']),
  protocol: z.enum(['any', 'tcp', 'udp', 'icmp']),
  /** First and last destination port; null for all. */
  ports: z.tuple([z.number().int(), z.number().int()]).nullable(),
  source: selectorSchema,
  destination: selectorSchema,
  enabled: z.boolean(),
});
export type FirewallRuleSpec = z.infer<typeof rule>;

export const FirewallRuleCreated = defineEvent(
  'system.sdwan.firewall_rule.created',
  1,
  z.object({ firewall_rule_id, network_id, rule }),
);
export const FirewallRuleUpdated = defineEvent(
  'system.sdwan.firewall_rule.updated',
  1,
  z.object({ firewall_rule_id, network_id, rule }),
);
export const FirewallRuleDeleted = defineEvent(
  'system.sdwan.firewall_rule.deleted',
  1,
  z.object({ firewall_rule_id, network_id, name: z.string() }),
);

export const firewallEvents = [FirewallRuleCreated, FirewallRuleUpdated, FirewallRuleDeleted] as const;
