// The agents' side of the platform in a process of its own: real gateway, CA and Postgres store, no contexts.
import { setTimeout as wait } from 'node:timers/promises';
import {
  deterministicId,
  deterministicUuid,
  refusal,
  RefusedError,
  silentLog,
  systemClock,
  systemIds,
  systemRandom,
  systemTimers,
} from '#kernel';
import { PlatformCa } from '#access';
import { PostgresEventStore, type EventStore, type RecordedEvent } from '#event-store';
import { AgentGateway, type DesiredStateSource, type EnrollmentHandler } from '#agent-gateway';
import { machineMs, type FromPlatform, type PlatformSettings, type ToPlatform } from './protocol.js';

const tell = (message: FromPlatform): void => void process.send!(message);
const SECTION = 'network/load';

/** Everybody shares the peers of one network and has an interface of its own, so that no two sections are equal. */
class LoadSource implements DesiredStateSource {
  readonly name = 'load';
  private readonly shared = new Map<string, unknown>();
  private instances: string[] = [];

  apply(event: RecordedEvent): Iterable<string> {
    if (event.type === 'load.prepared') {
      const { instances, items } = event.data as { instances: string[]; items: number };
      this.instances = instances;
      for (let i = 0; i < items; i++)
        this.shared.set(`peer/${i}`, Object.freeze({ public_key: `key-${i}`, allowed_ips: [`fd00::${i}/128`] }));
      return instances;
    }
    if (event.type !== 'load.changed') return [];
    this.shared.set('peer/changing', Object.freeze({ ...event.data }));
    return this.instances;
  }

  compile(instanceId: string): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    return new Map([[SECTION, new Map<string, unknown>([...this.shared, ['interface', { instanceId }]])]]);
  }
}

const enrollmentBy = (ca: PlatformCa): EnrollmentHandler => {
  const sign = async (instanceId: string, csrDer: Uint8Array) => {
    const { certificateDer } = await ca.issueAgentCertificate(instanceId, csrDer);
    return { certificateDer: Buffer.from(certificateDer), caDer: ca.caDer().map((der) => Buffer.from(der)) };
  };
  return {
    enroll: async ({ joinToken, csrDer }) => {
      if (!joinToken.startsWith('load-'))
        throw new RefusedError(refusal(401, 'unknown_join_token', 'not a load token'));
      const instanceId = deterministicId('instance', joinToken);
      return { instanceId, ...(await sign(instanceId, csrDer)), agentAddress: '' };
    },
    renew: (agent, { csrDer }) => sign(agent.instanceId, csrDer),
    authorize: async (identity) => ({ kind: 'ok', agent: { ...identity, accountId: 'account-load' } }),
  };
};

const start = async (settings: PlatformSettings): Promise<EventStore> => {
  const store = new PostgresEventStore({ connection: { connectionString: settings.connectionString } });
  const ca = await PlatformCa.open({ clock: systemClock, random: systemRandom, dataDir: settings.dataDir });
  const enrollment = enrollmentBy(ca);
  const gateway = new AgentGateway({
    store,
    enrollment: () => enrollment,
    ca,
    clock: systemClock,
    timers: systemTimers,
    ids: systemIds,
    random: systemRandom,
    log: silentLog,
    storeEpoch: 'load',
    agentAddress: `127.0.0.1:${settings.agentPort}`,
    enrollAddress: `127.0.0.1:${settings.enrollPort}`,
    serverNames: ['localhost', '127.0.0.1'],
    beats: { beatMs: 1_000, leaseMs: 3_000, vipBeatMs: 200, vipLeaseMs: 600 },
  });
  gateway.addSource(new LoadSource());
  const ports = await gateway.start();
  tell({ kind: 'ready', ...ports, caPem: ca.caPem() });
  return store;
};

const append = async (store: EventStore, type: string, data: Readonly<Record<string, unknown>>): Promise<void> => {
  const id = deterministicUuid('load', systemIds.uuid());
  const meta = {
    accountId: 'account-load',
    actor: { kind: 'system' as const, id: 'load' },
    commandId: id,
    correlationId: id,
    causationId: id,
    occurredAt: new Date().toISOString(),
    severity: 'info' as const,
    links: {},
    topics: [],
  };
  await store.append({ stream: 'load-1', expected: 'any', events: [{ id, type, schemaVersion: 1, data, meta }] });
};

let store: EventStore;
const handle = async (message: ToPlatform): Promise<void> => {
  switch (message.kind) {
    case 'start':
      store = await start(message.settings);
      return;
    case 'prepare':
      await append(store, 'load.prepared', { instances: message.instances, items: message.items });
      return tell({ kind: 'prepared' });
    case 'change':
      await append(store, 'load.changed', { round: message.round, at: machineMs() });
      return tell({ kind: 'changed' });
    case 'measure': {
      await wait(10);
      const { user, system } = process.cpuUsage();
      return tell({ kind: 'measured', rssMib: process.memoryUsage().rss / 2 ** 20, cpuMicros: user + system });
    }
  }
};

process.on('message', (message: ToPlatform) => {
  handle(message).catch((error: unknown) => {
    process.stderr.write(`platform-sim: ${String(error)}\n`);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit(0));
