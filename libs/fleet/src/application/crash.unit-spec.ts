import type { AppendRequest } from '#event-store';
import type { Command, CommandClass } from '#processing';
import { createFleetRig, type FleetRig } from '../testing/fleet-rig.js';
import { AssignModule, CreateNode, CreateTemplate, DeleteNode, ProvisionInstance, UpdateTemplate } from './commands.js';

type Prepare = (rig: FleetRig) => Promise<[type: { readonly type: string }, payload: object]>;

/** Kills the process after each append of a command in turn, and repeats the command as a client would. */
const killedAfterEachAppend = async (prepare: Prepare) => {
  const logs: string[][] = [];
  for (let survive = 0; ; survive++) {
    const rig = await createFleetRig({ processManagers: false });
    try {
      const [type, payload] = await prepare(rig);
      const start = await rig.store.head();
      const append = rig.store.append.bind(rig.store);
      let left = survive;
      let killed = false;
      rig.store.append = async (request: AppendRequest) => {
        if (left-- > 0) return append(request);
        killed = true;
        throw new Error('killed');
      };
      const send = () => {
        const made = new (type as unknown as CommandClass)(payload, rig.context('the-command'));
        return rig.dispatch(made as Command<object, unknown>);
      };
      await send().catch((error: unknown) => expect(String(error)).toBe('Error: killed'));
      rig.store.append = append;
      await rig.readYourWrites.waitFor();
      expect(await send()).toMatchObject({ kind: 'done' });
      const { events } = await rig.store.readAll(start, { limit: 100 });
      logs.push(events.map((e) => `${e.stream} ${e.type}`));
      if (!killed) return logs;
    } finally {
      await rig.close();
    }
  }
};

const template = async (rig: FleetRig) => (await rig.ok('system_create_template', { name: 'servers' })).template.id;
const node = async (rig: FleetRig) => {
  const node_template_id = await template(rig);
  return (await rig.ok('system_create_node', { hostname: 'server-1', node_template_id })).node.id;
};
const assigned = async (rig: FleetRig) => {
  const id = await node(rig);
  await rig.ok('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
  return id;
};

describe('a command over several streams, killed after each append and repeated', () => {
  it.each<[string, number, Prepare]>([
    ['CreateTemplate', 2, async () => [CreateTemplate, { name: 'servers' }]],
    ['UpdateTemplate', 3, async (rig) => [UpdateTemplate, { template_id: await template(rig), name: 'other' }]],
    ['CreateNode', 2, async (rig) => [CreateNode, { name: 'n', template_id: await template(rig) }]],
    ['DeleteNode', 2, async (rig) => [DeleteNode, { node_id: await node(rig) }]],
    ['ProvisionInstance', 2, async (rig) => [ProvisionInstance, { node_id: await assigned(rig) }]],
    [
      'AssignModule',
      2,
      async (rig) => {
        await rig.ok('system_provision_instance', { node_id: await node(rig) });
        const { template: found } = await rig.ok('system_get_template', { id: 'servers' });
        return [AssignModule, { template_id: found.id, module_name: 'k3s-server' }];
      },
    ],
  ])('%s does what it does once', async (_name, appends, prepare) => {
    const logs = await killedAfterEachAppend(prepare);
    expect(logs).toHaveLength(appends + 1);
    for (const log of logs) expect(log).toHaveLength(logs[0]!.length);
    expect(new Set(logs[0]).size).toBe(logs[0]!.length);
  });
});
