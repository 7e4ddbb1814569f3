import { defineProjection } from '#processing';
import {
  evolveFirewallRule,
  initialFirewallRule,
  type FirewallEvent,
  type FirewallRuleState,
} from '../domain/firewall/decide.js';

type Known = Exclude<FirewallRuleState, { status: 'none' }>;

export interface FirewallRuleDoc {
  readonly account: string;
  readonly id: string;
  readonly network_id: string;
  readonly name: string;
  readonly status: Known['status'];
  readonly state: Known;
  readonly created_at: string;
}

export const sdwanFirewallRules = defineProjection<FirewallRuleDoc>({
  name: 'sdwan_firewall_rules',
  version: 1,
  keys: (event) => (event.type.startsWith('system.sdwan.firewall_rule.') ? [String(event.data.firewall_rule_id)] : []),
  fold(doc, event) {
    const state = evolveFirewallRule(doc?.state ?? initialFirewallRule, event as unknown as FirewallEvent);
    if (state.status === 'none') return doc;
    return {
      account: doc?.account ?? event.meta.accountId,
      id: state.firewall_rule_id,
      network_id: state.network_id,
      name: state.rule.name,
      status: state.status,
      state,
      created_at: doc?.created_at ?? event.recordedAt,
    };
  },
  columns: ({ account, network_id, name, status }) => ({ account, network_id, name, status }),
  columnTypes: { network_id: 'text', name: 'text', status: 'text' },
});
