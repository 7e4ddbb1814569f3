import { RULE_DOCUMENT, templateDocument } from '../testing/fleet-files.js';
import type { Live, Thing } from './live.js';
import { loadText } from './load.js';
import { plan } from './plan.js';
import { pruning } from './record.js';
import { fleetSchema } from './schema.js';

const FLEET = [templateDocument('k3s-server', '{a: 1}'), RULE_DOCUMENT].join('---\n');
const live = (things: Record<string, Thing>): Live => ({
  things: new Map(Object.entries(things)),
  templateId: (wanted) => (wanted === 'servers' ? 'template-1' : undefined),
});
const assigned = (config: object) => ({ module_name: 'k3s-server', config, priority: 100, enabled: true });
const rule = {
  ...{ id: 'firewall_rule-1', name: 'closed', action: 'drop', priority: 1_000, direction: 'ingress', protocol: 'any' },
  ...{ src_selector: 'all', dst_selector: 'all', port_range: null, enabled: true },
};

describe('a fleet file', () => {
  it.each([
    ['kind: Nod\nname: x', 'f:1', /none of Network/, 'Node'],
    ['kind: Node\nname: x\ntemplat: y', 'f:3', /field templat is not known/, 'template'],
    ['---\nkind: Node\nname: x', 'f:2', /field template/, undefined],
    ['kind: Node\nname: Not_DNS\ntemplate: x', 'f:2', /field name: lower-case/, undefined],
    ['kind: Template\nname: t\nmodules:\n  - {module: a, prio: 3}', 'f:4', /modules.0.prio/, 'priority'],
    ['name: x', 'f:1', /kind is missing/, undefined],
    ['- 1', 'f:1', /must be a map/, undefined],
    ['kind: [', 'f:1', /no YAML/, undefined],
  ])('%j is refused with its line', (text, message, why, meant) => {
    const expected = { message, why: expect.stringMatching(why), exitCode: 2, meant };
    expect(() => loadText(text, 'f')).toThrow(expect.objectContaining(expected));
  });

  it('has a schema for editors', () => {
    expect(JSON.stringify(fleetSchema())).toContain('"write_url_to"');
  });
});

describe('a plan', () => {
  const wanted = loadText(FLEET, 'f');
  it('makes what is not there', () => {
    expect(plan(wanted, live({})).map(({ tool, change }) => [tool, change])).toEqual([
      ['system_create_template', 'create'],
      ['system_assign_module_to_template', 'update'],
      ['system_sdwan_create_firewall_rule', 'create'],
    ]);
  });

  it('is empty when all is as it says, whatever else there is', () => {
    const as = { id: 'template-1', name: 'servers', description: 'by hand', module_assignments: [assigned({ a: 1 })] };
    expect(plan(wanted, live({ 'Template servers': as, 'FirewallRule prod/closed': rule }))).toEqual([]);
  });

  it('changes the fields that differ, and takes off modules that are not listed', () => {
    const extra = { ...assigned({}), module_name: 'docker-engine' };
    const as = { id: 'template-1', name: 'servers', module_assignments: [assigned({ a: 2 }), extra] };
    const steps = plan(
      wanted,
      live({ 'Template servers': as, 'FirewallRule prod/closed': { ...rule, action: 'accept' } }),
    );
    expect(steps.map(({ tool, arguments: args, at }) => [tool, args, at])).toEqual([
      [
        'system_assign_module_to_template',
        { template_id: 'servers', module_name: 'k3s-server', config: { a: 1 } },
        'f:4',
      ],
      ['system_unassign_module_from_template', { template_id: 'servers', module_name: 'docker-engine' }, 'f:1'],
      ['system_sdwan_update_firewall_rule', { firewall_rule_id: 'firewall_rule-1', action: 'drop' }, 'f:6'],
    ]);
  });

  it('takes a secret that is kept elsewhere as it is', () => {
    const secret = loadText('kind: Template\nname: t\nmodules: [{module: k3s-server, config: {endpoint: x}}]', 'f');
    const as = { id: 'template-1', module_assignments: [assigned({ endpoint_ref: 'secret/1' })] };
    expect(plan(secret, live({ 'Template t': as }))).toEqual([]);
  });

  it('refuses, with its line, to change what cannot be changed', () => {
    const node = loadText('kind: Node\nname: n\ntemplate: servers\ndescription: new', 'f');
    const there = { id: 'node-1', hostname: 'n', template_id: 'template-1', description: 'old', instance_id: null };
    expect(() => plan(node, live({ 'Node n': there }))).toThrow(
      expect.objectContaining({ message: 'f:4', exitCode: 6, why: expect.stringContaining('description') }),
    );
  });
});

it('prunes what it made itself, under the very id, and what depends on others first', () => {
  const made = (['Network', 'Node', 'Peer'] as const).map((kind) => ({ key: `${kind} x`, kind, id: `${kind}-1` }));
  const record = {
    set: 'default',
    platform: 'p',
    made: [...made, { key: 'Node again', kind: 'Node' as const, id: 'old' }],
  };
  const things = live({
    'Network x': { id: 'Network-1' },
    'Node x': { id: 'Node-1' },
    'Peer x': { id: 'Peer-1' },
    'Node again': { id: 'new' },
    'Node by-hand': { id: 'other' },
  });
  const steps = pruning(record, loadText('kind: Network\nname: x', 'f'), things);
  expect(steps.map(({ tool, arguments: args }) => [tool, args])).toEqual([
    ['system_sdwan_detach_peer', { peer_id: 'Peer-1' }],
    ['system_delete_node', { node_id: 'Node-1' }],
  ]);
});
