import {
  accept,
  assertNever,
  canonicalJson,
  nothing,
  refusal,
  reject,
  type Decider,
  type Decision,
  type EventOf,
  type Refusal,
} from '#kernel';
import { formatCidr, network, parseCidr } from '../ip.js';
import {
  FirewallRuleCreated,
  FirewallRuleDeleted,
  FirewallRuleUpdated,
  type firewallEvents,
  type FirewallRuleSpec,
} from './events.js';

export type FirewallEvent = EventOf<(typeof firewallEvents)[number]>;
type Ids = { readonly firewall_rule_id: `firewall_rule-${string}`; readonly network_id: `sdwan_network-${string}` };

export type FirewallRuleState =
  { readonly status: 'none' } | ({ readonly status: 'active' | 'deleted'; readonly rule: FirewallRuleSpec } & Ids);

export type FirewallCommand =
  | { readonly kind: 'create'; readonly ids: Ids; readonly rule: FirewallRuleSpec }
  | { readonly kind: 'update'; readonly change: Partial<FirewallRuleSpec> }
  | { readonly kind: 'delete' };

export const initialFirewallRule: FirewallRuleState = { status: 'none' };

export const evolveFirewallRule = (state: FirewallRuleState, event: FirewallEvent): FirewallRuleState => {
  switch (event.type) {
    case FirewallRuleCreated.type:
    case FirewallRuleUpdated.type: {
      const { rule, ...ids } = event.data as EventOf<typeof FirewallRuleCreated>['data'];
      return { status: 'active', rule, ...(ids as Ids) };
    }
    case FirewallRuleDeleted.type:
      return state.status === 'none' ? state : { ...state, status: 'deleted' };
    default:
      return state;
  }
};

export const firewallDecider: Decider<FirewallRuleState, FirewallCommand, FirewallEvent> = {
  initial: initialFirewallRule,
  evolve: evolveFirewallRule,
  decide(command, state): Decision<FirewallEvent> {
    if (command.kind === 'create') {
      if (state.status !== 'none') return nothing('already_created');
      const bad = problemOf(command.rule);
      if (bad !== undefined) return reject(bad);
      return accept(FirewallRuleCreated({ ...command.ids, rule: clean(command.rule) }, linksOf(command.ids)));
    }
    if (state.status === 'none')
      return reject(refusal(404, 'firewall_rule_not_found', 'no such firewall rule', { field: 'firewall_rule_id' }));
    const ids = { firewall_rule_id: state.firewall_rule_id, network_id: state.network_id };
    switch (command.kind) {
      case 'update': {
        if (state.status === 'deleted')
          return reject(refusal(409, 'firewall_rule_deleted', `${state.rule.name} was deleted`));
        const rule = { ...state.rule, ...command.change };
        const bad = problemOf(rule);
        if (bad !== undefined) return reject(bad);
        if (canonicalJson(clean(rule)) === canonicalJson(state.rule)) return nothing('unchanged');
        return accept(FirewallRuleUpdated({ ...ids, rule: clean(rule) }, linksOf(ids)));
      }
      case 'delete':
        if (state.status === 'deleted') return nothing('already_deleted');
        return accept(FirewallRuleDeleted({ ...ids, name: state.rule.name }, linksOf(ids)));
      default:
        return assertNever(command);
    }
  },
};

const linksOf = (ids: Ids) => ({ links: { network: ids.network_id } });

const problemOf = (rule: FirewallRuleSpec): Refusal | undefined => {
  const { ports, protocol } = rule;
  if (ports !== null && protocol !== 'tcp' && protocol !== 'udp')
    return refusal(400, 'ports_need_protocol', `port_range needs protocol tcp or udp, not ${protocol}`, {
      field: 'port_range',
      hint: 'add protocol: "tcp"',
    });
  if (ports !== null && (ports[0] < 1 || ports[1] > 65_535 || ports[0] > ports[1]))
    return refusal(400, 'port_range_invalid', `port_range ${ports.join('-')} is not a range of ports`, {
      field: 'port_range',
      hint: 'write 6443 or 8000-8100, from 1 to 65535, the lower first',
    });
  for (const [field, selector] of [
    ['src_selector', rule.source],
    ['dst_selector', rule.destination],
  ] as const) {
    if (selector.kind === 'cidr' && parseCidr(selector.cidr) === undefined)
      return refusal(400, 'cidr_invalid', `${selector.cidr} is not a prefix`, {
        field,
        hint: 'write cidr:10.0.0.0/8 or cidr:fd00::/64',
      });
  }
  return undefined;
};

/** Prefixes without host bits, so that equal rules are equal. */
const clean = (rule: FirewallRuleSpec): FirewallRuleSpec => {
  const of = (selector: FirewallRuleSpec['source']): FirewallRuleSpec['source'] =>
    selector.kind === 'cidr' ? { kind: 'cidr', cidr: formatCidr(network(parseCidr(selector.cidr)!)) } : selector;
  return { ...rule, source: of(rule.source), destination: of(rule.destination) };
};
