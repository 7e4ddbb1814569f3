import type { FirewallRuleSpec } from '../domain/events.js';
import { OverlayWorld } from '../testing/overlay-world.js';
import { all, code } from '../testing/outcomes.js';
import { CreateFirewallRule, CreateNetwork, DeleteFirewallRule, DeleteNetwork } from './commands.js';
import { CreateFirewallRuleHandler, DeleteFirewallRuleHandler } from './firewall-handlers.js';

describe('a call that is made again under its key after what it made was deleted', () => {
  it('is refused for a network, and takes no name away from another', async () => {
    const world = new OverlayWorld();
    const context = world.context();
    const again = () => world.run(CreateNetwork, { name: 'n' }, context);
    const first = await again();
    if (first.kind === 'refused') throw new Error(first.refusal.code);
    await world.ok(DeleteNetwork, first.value);
    await world.platform.drain();
    expect(await again()).toMatchObject({
      refusal: { status: 410, code: 'network_deleted', field: 'idempotency_key' },
    });
    await world.ok(CreateNetwork, { name: 'n' });
    expect(code(await again())).toBe('network_deleted');
    expect(code(await world.run(CreateNetwork, { name: 'n' }))).toBe('name_taken');
  });

  it('is refused for a network whose deletion was cut off in the middle', async () => {
    const world = new OverlayWorld();
    const context = world.context();
    const first = await world.run(CreateNetwork, { name: 'n' }, context);
    if (first.kind === 'refused') throw new Error(first.refusal.code);
    const { store } = world.platform;
    const append = store.append.bind(store);
    let left = 1;
    store.append = (request) => (left-- > 0 ? append(request) : Promise.reject(new Error('killed')));
    await expect(world.run(DeleteNetwork, first.value)).rejects.toThrow('killed');
    store.append = append;
    expect(code(await world.run(CreateNetwork, { name: 'n' }, context))).toBe('network_deleted');
  });

  it('is refused for a firewall rule', async () => {
    const world = new OverlayWorld();
    const { network_id } = await world.ok(CreateNetwork, { name: 'n' });
    const { transactor, store } = world.platform;
    const rule: FirewallRuleSpec = {
      ...{ name: 'closed', priority: 1_000, action: 'drop' as const, direction: 'ingress' as const, enabled: true },
      ...{ protocol: 'tcp' as const, ports: [22, 22] as [number, number] },
      ...{ source: { kind: 'all' as const }, destination: { kind: 'all' as const } },
    };
    const command = new CreateFirewallRule({ network_id, rule }, world.context());
    const create = async () =>
      (await all(world, [new CreateFirewallRuleHandler(transactor, store).execute(command)]))[0]!;
    const first = await create();
    if (first.kind === 'refused') throw new Error(first.refusal.code);
    expect(await create()).toMatchObject({ value: first.value });
    const remove = new DeleteFirewallRule(first.value, world.context());
    await all(world, [new DeleteFirewallRuleHandler(transactor, store).execute(remove)]);
    expect(code(await create())).toBe('firewall_rule_deleted');
  });
});
