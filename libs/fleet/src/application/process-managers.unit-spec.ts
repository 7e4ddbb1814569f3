import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TemplateId } from '#kernel';
import { templateDecider } from '../domain/template/decide.js';
import type { ProvisioningDriver } from '../provisioning/driver.js';
import { externalDriver } from '../provisioning/external-driver.js';
import { createFleetRig, newCsr, type FleetRig } from '../testing/fleet-rig.js';
import { MAX_ATTEMPTS } from './fleet-provisioning.js';

const open: FleetRig[] = [];
const rigWith = async (...drivers: readonly ProvisioningDriver[]) => {
  const rig = await createFleetRig({ drivers });
  open.push(rig);
  return rig;
};
afterEach(() => Promise.all(open.splice(0).map((rig) => rig.close())));

describe('fleet_assignments', () => {
  it('carries an assignment over when the command died between the template and its instances', async () => {
    const rig = await rigWith();
    const { template } = await rig.ok('system_create_template', { name: 'servers' });
    await rig.ok('system_create_node', { hostname: 'server-1', node_template_id: 'servers' });
    const { instance } = await rig.ok('system_provision_instance', { node_id: 'server-1' });
    await rig.drain();
    const assign = { moduleName: 'k3s-server', config: {}, priority: 1, enabled: true } as const;
    const newAssignmentId = '00000000-0000-4000-8000-000000000001';
    const command = { kind: 'assign', ...assign, newAssignmentId } as const;
    await rig.transactor.transact(template.id as TemplateId, templateDecider, command, rig.context());
    expect((await rig.ok('system_get_instance', { id: instance.id })).instance.modules).toEqual([]);
    await rig.drain();
    const { modules } = (await rig.ok('system_get_instance', { id: instance.id })).instance;
    expect(modules).toMatchObject([{ module_name: 'k3s-server', status: 'assigned' }]);
    const before = (await rig.events(instance.id)).length;
    await rig.ok('system_assign_module_to_template', {
      template_id: 'servers',
      module_name: 'k3s-server',
      priority: 1,
    });
    await rig.drain();
    expect(await rig.events(instance.id)).toHaveLength(before);
  });
});

describe('fleet_provisioning', () => {
  const fake = (fail: () => boolean) => {
    const calls: string[] = [];
    const driver: ProvisioningDriver = {
      name: 'lab',
      makesMachines: true,
      provision: async (instance, offer) => {
        calls.push(offer.token);
        if (fail()) throw new Error(`no room for ${instance.name}`);
      },
      terminate: async ({ id }) => {
        calls.push(`terminate ${id}`);
        if (fail()) throw new Error('busy');
      },
    };
    return { driver, calls };
  };
  const provisioned = async (rig: FleetRig) => {
    await rig.ok('system_create_template', { name: 'servers', driver: 'lab' });
    await rig.ok('system_create_node', { hostname: 'server-1', node_template_id: 'servers' });
    const answer = await rig.ok('system_provision_instance', { node_id: 'server-1' });
    expect(answer.join).toBeUndefined();
    await rig.drain();
    return answer.instance.id;
  };
  const stateOf = async (rig: FleetRig, id: string) => (await rig.ok('system_get_instance', { id })).instance;

  it('has the driver of the template make the machine, with a token that works', async () => {
    const { driver, calls } = fake(() => false);
    const rig = await rigWith(driver);
    const id = await provisioned(rig);
    expect(calls).toHaveLength(1);
    expect((await rig.enroll(calls[0]!, await newCsr())).instanceId).toBe(id);
    await rig.clock.advance(600_000);
    await rig.drain();
    expect(calls).toHaveLength(1);
    await rig.ok('system_terminate_instance', { id });
    await rig.drain();
    expect(calls.slice(1)).toEqual([`terminate ${id}`]);
  });

  it('tries again with growing pauses, and says so when it gives up', async () => {
    const { driver, calls } = fake(() => true);
    const rig = await rigWith(driver);
    const id = await provisioned(rig);
    for (const [pause, tries] of [
      [5_000, 2],
      [10_000, 3],
      [20_000, 4],
      [40_000, 5],
    ] as const) {
      await rig.clock.advance(pause - 1);
      await rig.drain();
      expect(calls).toHaveLength(tries - 1);
      await rig.clock.advance(1);
      await rig.drain();
      expect(calls).toHaveLength(tries);
    }
    await rig.clock.advance(80_000);
    await rig.drain();
    expect(calls).toHaveLength(MAX_ATTEMPTS);
    expect(await stateOf(rig, id)).toMatchObject({
      state: 'error',
      last_error: 'lab: no success in 5 tries: no room for server-1',
    });
  });

  it('recovers when a later try succeeds', async () => {
    let failures = 2;
    const { driver, calls } = fake(() => failures-- > 0);
    const rig = await rigWith(driver);
    const id = await provisioned(rig);
    for (let i = 0; i < 4; i++) {
      await rig.clock.advance(40_000);
      await rig.drain();
    }
    expect(calls).toHaveLength(3);
    expect(await stateOf(rig, id)).toMatchObject({ state: 'provisioning' });
  });
});

describe('the external driver', () => {
  let dir: string;
  let server: Server | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drover-prov-'));
  });
  afterEach(async () => {
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    server = undefined;
    await rm(dir, { recursive: true });
  });
  const serve = (status: number) => {
    const seen: [string | undefined, unknown][] = [];
    const socket = join(dir, 'p.sock');
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        seen.push([request.url, JSON.parse(Buffer.concat(chunks).toString('utf8'))]);
        response.writeHead(status).end('nope');
      });
    });
    return new Promise<{ socket: string; seen: typeof seen }>((resolve) => {
      server!.listen(socket, () => resolve({ socket, seen }));
    });
  };
  const instance = { id: 'instance-00000000-0000-4000-8000-000000000001', name: 'n' } as const;
  const offer = {
    token: 't',
    expiresAt: 'e',
    enrollAddress: 'h:1',
    caPem: 'pem',
    caPin: 'sha256:00',
    command: 'run',
  };

  it('posts the join offer and the end of a machine to its socket', async () => {
    const { socket, seen } = await serve(204);
    const driver = externalDriver('lab', socket);
    await driver.provision(instance, offer);
    await driver.terminate(instance);
    expect(seen).toMatchObject([
      [
        '/provision',
        { instance_id: instance.id, name: 'n', join: { token: 't', enroll_address: 'h:1', ca_pem: 'pem' } },
      ],
      ['/terminate', { instance_id: instance.id }],
    ]);
  });

  it('rejects with what the other side said, and when nobody is there', async () => {
    const { socket } = await serve(500);
    await expect(externalDriver('lab', socket).provision(instance, offer)).rejects.toThrow('500 to /provision: nope');
    await expect(externalDriver('lab', join(dir, 'none.sock')).terminate(instance)).rejects.toThrow('ENOENT');
  });
});

describe('fleet_deadlines', () => {
  const overdue = async (rig: FleetRig, id: string) =>
    (await rig.events(id)).filter((e) => e.type === 'system.instance.overdue');

  it('says once that a state lasts too long, and leaving the state clears it', async () => {
    const rig = await rigWith();
    await rig.ok('system_create_template', { name: 'servers' });
    await rig.ok('system_create_node', { hostname: 'server-1', node_template_id: 'servers' });
    const { instance } = await rig.ok('system_provision_instance', { node_id: 'server-1' });
    await rig.drain();
    await rig.clock.advance(15 * 60_000 - 1);
    await rig.drain();
    expect(await overdue(rig, instance.id)).toEqual([]);
    await rig.clock.advance(3_600_000);
    await rig.drain();
    expect(await overdue(rig, instance.id)).toMatchObject([
      { data: { state: 'provisioning', bound_seconds: 900 }, meta: { severity: 'high' } },
    ]);
    const seen = (await rig.ok('system_get_instance', { id: instance.id })).instance;
    expect(seen).toMatchObject({ state: 'provisioning', last_error: 'provisioning for more than 900 s' });
    const { join } = await rig.ok('system_create_join_token', { id: instance.id });
    await rig.enroll(join.token, await newCsr());
    await rig.drain();
    const after = (await rig.ok('system_get_instance', { id: instance.id })).instance;
    expect(after).toMatchObject({ state: 'starting', last_error: null });
    await rig.clock.advance(300_000);
    await rig.drain();
    expect((await overdue(rig, instance.id)).map((e) => e.data['state'])).toEqual(['provisioning', 'starting']);
  });
});
