import { assertNever, type PeerId, type VirtualIpId } from '#kernel';
import { statusOfState, type ToolRegistrar } from '#tools';
import { CreateFirewallRule, DeleteFirewallRule, UpdateFirewallRule } from '../application/commands.js';
import type { FirewallRuleSpec, Selector } from '../domain/firewall/events.js';
import { resolveSelector } from '../domain/wireguard-compiler/firewall.js';
import type { NetworkView } from '../domain/wireguard-compiler/model.js';
import { sdwanFirewallRules, type FirewallRuleDoc } from '../projections/firewall-rules.js';
import { documentOf, findFirewallRule, findNetwork, findPeer, findVirtualIp, pageOf } from './find.js';
import * as tools from './firewall-definitions.js';
import { networkGenerations, type Generations } from './generations.js';
import type { SdwanToolServices } from './services.js';

export const registerFirewallTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, failover } = services;
  const shown = (doc: FirewallRuleDoc) => {
    const { model } = failover;
    const generations = networkGenerations(model, doc.network_id, (id) => services.rotator.liveness(id));
    return ruleView(doc, model.networks.get(doc.network_id), generations);
  };
  const view = async (id: string) => {
    const doc = await documentOf(services, sdwanFirewallRules, id);
    await failover.caughtUp();
    return shown(doc);
  };

  registrar.add(tools.createFirewallRule, async (input, call) => {
    const network = await findNetwork(readModels, call.accountId, input.network_id);
    const { name, priority, action, direction, protocol, enabled } = input;
    const parse = (text: string, field: string) => selectorOf(services, call.accountId, network.id, text, field);
    const rule: FirewallRuleSpec = {
      ...{ name, priority, action, direction, protocol, enabled },
      ports: portsOf(input.port_range),
      source: await parse(input.src_selector, 'src_selector'),
      destination: await parse(input.dst_selector, 'dst_selector'),
    };
    const { firewall_rule_id } = await call.run(CreateFirewallRule, { network_id: network.id, rule });
    await call.settle(sdwanFirewallRules);
    return { firewall_rule: await view(firewall_rule_id) };
  });
  registrar.add(tools.updateFirewallRule, async (input, call) => {
    const doc = await findFirewallRule(readModels, call.accountId, input.firewall_rule_id);
    const { name, priority, action, direction, protocol, enabled, src_selector, dst_selector, port_range } = input;
    const parse = (text: string, field: string) => selectorOf(services, call.accountId, doc.network_id, text, field);
    const change: Partial<FirewallRuleSpec> = {
      ...given({ name, priority, action, direction, protocol, enabled }),
      ...(port_range === undefined ? {} : { ports: portsOf(port_range) }),
      ...(src_selector === undefined ? {} : { source: await parse(src_selector, 'src_selector') }),
      ...(dst_selector === undefined ? {} : { destination: await parse(dst_selector, 'dst_selector') }),
    };
    await call.run(UpdateFirewallRule, { firewall_rule_id: doc.id, change });
    await call.settle(sdwanFirewallRules);
    return { firewall_rule: await view(doc.id) };
  });
  registrar.add(tools.deleteFirewallRule, async (input, call) => {
    const { id } = await findFirewallRule(readModels, call.accountId, input.firewall_rule_id);
    await call.run(DeleteFirewallRule, { firewall_rule_id: id });
    await call.settle(sdwanFirewallRules);
    return { deleted: true, firewall_rule_id: id };
  });
  registrar.add(tools.listFirewallRules, async (input, call) => {
    const network =
      input.network_id === undefined ? undefined : (await findNetwork(readModels, call.accountId, input.network_id)).id;
    const where = { account: call.accountId, ...(network === undefined ? {} : { network_id: network }) };
    const active = (doc: FirewallRuleDoc) => doc.status === 'active';
    const { docs, next_cursor } = await pageOf(readModels, sdwanFirewallRules, where, input, active);
    await failover.caughtUp();
    return { firewall_rules: docs.map(shown), next_cursor };
  });
};

/** Without the keys that were not given. */
const given = <T extends object>(input: T) =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

const portsOf = (text: string | null | undefined): [number, number] | null => {
  if (text === undefined || text === null) return null;
  const [first, last] = text.split('-').map(Number);
  return [first!, last ?? first!];
};

const selectorOf = async (
  { readModels }: SdwanToolServices,
  account: string,
  networkId: string,
  text: string,
  field: string,
): Promise<Selector> => {
  const [kind, ...rest] = text.split(':');
  const value = rest.join(':');
  if (kind === 'tag') return { kind, tag: value };
  if (kind === 'cidr') return { kind, cidr: value };
  if (kind === 'peer')
    return { kind, peer_id: (await findPeer(readModels, account, value, networkId, field)).id as PeerId };
  if (kind === 'vip') {
    const found = await findVirtualIp(readModels, account, value, { networkId, field });
    return { kind, virtual_ip_id: found.id as VirtualIpId };
  }
  return { kind: 'all' };
};

const selectorText = (selector: Selector): string => {
  switch (selector.kind) {
    case 'all':
      return 'all';
    case 'peer':
      return `peer:${selector.peer_id}`;
    case 'tag':
      return `tag:${selector.tag}`;
    case 'cidr':
      return `cidr:${selector.cidr}`;
    case 'vip':
      return `vip:${selector.virtual_ip_id}`;
    default:
      return assertNever(selector);
  }
};

export const ruleView = (
  { id, network_id, created_at, status, state: { rule } }: FirewallRuleDoc,
  network: NetworkView | undefined,
  /** Its network's: what carries it out is every node of it. */
  generations?: Generations,
) => {
  const { ports, source, destination, ...plain } = rule;
  const now = (selector: Selector) => {
    const found = network === undefined ? [] : resolveSelector(network, selector);
    return found === null ? null : [...found];
  };
  return {
    id,
    network_id,
    ...plain,
    src_selector: selectorText(source),
    dst_selector: selectorText(destination),
    port_range: ports === null ? null : ports[0] === ports[1] ? String(ports[0]) : ports.join('-'),
    resolves: { source: now(source), destination: now(destination) },
    created_at,
    ...statusOfState({
      state: status === 'active' && !rule.enabled ? 'disabled' : status,
      ready: ['active'],
      progressing: [],
      resting: ['disabled', 'deleted'],
      since: created_at,
      ...generations,
    }),
  };
};
