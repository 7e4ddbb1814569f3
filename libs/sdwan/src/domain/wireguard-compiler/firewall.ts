import { assertNever } from '#kernel';
import type { Selector } from '../firewall/events.js';
import { hostCidr } from '../ip.js';
import type { CompiledFirewallRule, FirewallRuleView, NetworkView, PeerView } from './model.js';

/**
 * The rules of a network with their selectors resolved, in the order in which they are looked at. The same for every
 * node: what a rule is not about never passes there. A selector that resolves to nothing matches nothing, and the rule is
 * left out.
 */
export const compileFirewall = (network: NetworkView): CompiledFirewallRule[] =>
  [...network.firewall.values()]
    .filter(({ rule }) => rule.enabled)
    .sort(inOrder)
    .flatMap(({ ruleId, rule }, order) => {
      const source = resolveSelector(network, rule.source);
      const destination = resolveSelector(network, rule.destination);
      if (source?.length === 0 || destination?.length === 0) return [];
      const { action, direction, protocol, ports } = rule;
      return [{ rule_id: ruleId, order, action, direction, protocol, ports, source, destination }];
    });

const inOrder = (a: FirewallRuleView, b: FirewallRuleView): number =>
  a.rule.priority - b.rule.priority || a.since - b.since;

/** Null for everything. */
export const resolveSelector = (network: NetworkView, selector: Selector): readonly string[] | null => {
  switch (selector.kind) {
    case 'all':
      return null;
    case 'cidr':
      return [selector.cidr];
    case 'peer': {
      const peer = network.peers.get(selector.peer_id);
      return peer === undefined ? [] : whatIsAt(peer);
    }
    case 'tag':
      return [...network.peers.values()]
        .filter((peer) => peer.tags.includes(selector.tag))
        .flatMap(whatIsAt)
        .sort();
    case 'vip': {
      const vip = network.virtualIps.get(selector.virtual_ip_id);
      return vip === undefined || vip.status === 'released' ? [] : [hostCidr(vip.address)];
    }
    default:
      return assertNever(selector);
  }
};

const whatIsAt = (peer: PeerView): string[] => [hostCidr(peer.addressV6), hostCidr(peer.addressV4), ...peer.podCidrs];
