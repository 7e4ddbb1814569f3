import 'reflect-metadata';
import { Global, Module } from '@nestjs/common';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { CLOCK, CONFIG, IDS, LOG, parseConfig, RANDOM } from '#kernel';
import { EVENT_STORE } from '#event-store';
import { COMMAND_DISPATCHER, PROCESSING_REGISTRAR, READ_MODELS, TRANSACTOR } from '#processing';
import { CERTIFICATE_AUTHORITY, SECRET_STORE } from '#access';
import { AGENT_LINK, ENROLLMENT_HANDLER, GATEWAY_REGISTRAR } from '#agent-gateway';
import { TOOL_REGISTRAR } from '#tools';
import { CreateTemplate } from './application/commands.js';
import { fleetUses } from './application/handlers/index.js';
import { FleetModule } from './fleet.module.js';
import { createFleetRig } from './testing/fleet-rig.js';

describe('the fleet module', () => {
  it('comes up with the global ports, registers everything, and answers commands from the bus', async () => {
    const rig = await createFleetRig();
    const added: Record<string, string[]> = { projection: [], manager: [], command: [], tool: [], gateway: [] };
    const note = (kind: string, name: string) => void added[kind]!.push(name);
    const values: [symbol, unknown][] = [
      [TRANSACTOR, rig.transactor],
      [EVENT_STORE, rig.store],
      [READ_MODELS, rig.readModels],
      [COMMAND_DISPATCHER, rig.dispatcher],
      [CLOCK, rig.clock],
      [IDS, rig.ids],
      [RANDOM, rig.services.random],
      [LOG, rig.services.log],
      [CONFIG, parseConfig({ DROVER_PROVISIONER: 'lab=/tmp/none.sock' })],
      [CERTIFICATE_AUTHORITY, rig.authority],
      [SECRET_STORE, {}],
      [AGENT_LINK, {}],
      [
        GATEWAY_REGISTRAR,
        { addSource: (s: { name: string }) => note('gateway', s.name), addObserver: () => note('gateway', 'observer') },
      ],
      [TOOL_REGISTRAR, { add: (t: { name: string }) => note('tool', t.name) }],
      [
        PROCESSING_REGISTRAR,
        {
          addProjection: (p: { name: string }) => note('projection', p.name),
          addProcessManager: (m: { name: string }) => note('manager', m.name),
          addCommand: (c: { type: string }) => note('command', c.type),
        },
      ],
    ];
    const providers = values.map(([provide, useValue]) => ({ provide, useValue }));
    @Global()
    @Module({ imports: [CqrsModule.forRoot()], providers, exports: [...providers, CqrsModule] })
    class Ports {}
    const app = await Test.createTestingModule({ imports: [Ports, FleetModule] }).compile();
    await app.init();
    expect(added['projection']).toEqual(['fleet_templates', 'fleet_nodes', 'fleet_instances', 'fleet_module_versions']);
    expect(added['manager']).toEqual([
      'fleet_assignments',
      'fleet_provisioning',
      'fleet_termination',
      'fleet_deadlines',
      'module_deadlines',
    ]);
    expect(added['command']).toHaveLength(fleetUses.length);
    expect(added['tool']).toHaveLength(26);
    expect(added['gateway']).toEqual(['fleet', 'observer']);
    expect(app.get(ENROLLMENT_HANDLER, { strict: false })).toBeDefined();
    const result: unknown = await app.get(CommandBus).execute(new CreateTemplate({ name: 'x' }, rig.context()));
    expect(result).toMatchObject({ kind: 'done' });
    await app.close();
    await rig.close();
  });
});
