import { silentLog, seededRandom, type Random } from '#kernel';
import type { AgentPorts, Files, SyncHandlers, SyncStream } from '../../agent/src/ports.js';
import type { Mutant } from './mutants.js';
import type { Zone } from './sim-clock.js';
import type { SimNetwork } from './sim-network.js';

export const STATE = '/state';

interface PortDeps {
  readonly network: SimNetwork;
  readonly random: Random;
  readonly mutant: Mutant | undefined;
  readonly instanceId: string;
  readonly files: Map<string, Buffer>;
  diskMs(): number;
  connect(handlers: SyncHandlers): SyncStream;
}

/** What an agent has of the machine it runs on: a disk, and no other program. */
export const portsFor = (deps: PortDeps, zone: Zone): AgentPorts => {
  const random = seededRandom(Math.floor(deps.random.unit() * 2 ** 31));
  /** As where a command is not installed: the agent goes on without nftables. */
  const nothingRuns = async () => ({ code: null, stdout: '', stderr: 'not installed' });
  const absent = (): never => {
    throw new Error('there is no such thing in the simulation');
  };
  return {
    clock: zone,
    timers: zone,
    random,
    log: silentLog,
    files: filesFor(deps, zone),
    processes: { run: nothingRuns, spawnDetached: absent, openPipe: absent, startTime: absent, kill: absent },
    datagrams: deps.network.portFor(zone),
    names: { lookup: async () => [] },
    host: {
      hostname: deps.instanceId,
      architecture: 'sim',
      bootId: `boot-${deps.instanceId}`,
      machineId: deps.instanceId,
      memoryBytes: 1,
      load1m: () => 0,
      memoryFreeBytes: () => 1,
      uptimeMs: () => Math.round(zone.monotonicMs()),
      underlayAddresses: () => [],
    },
    transport: {
      enroll: absent,
      connect: () => ({
        sync: (handlers) => deps.connect(handlers),
        reportPhase: absent,
        renew: absent,
        tunnel: absent,
        close: () => undefined,
      }),
    },
    loopback: { connect: absent },
    http: { get: absent, getLocal: absent, download: absent },
  };
};

/** A write takes its time, and is whole or not there at all. */
const filesFor = (deps: PortDeps, zone: Zone): Files => {
  const { files } = deps;
  return {
    read: async (path) => files.get(path),
    write: async (path, data) => {
      await zone.sleep(deps.random.unit() ** 3 * deps.diskMs());
      if (deps.mutant === 'promise_not_persisted' && path.endsWith('promises.json')) return;
      files.set(path, Buffer.from(data as string));
    },
    remove: async (path) => void files.delete(path),
    removeTree: async () => undefined,
    resolved: async () => undefined,
    removeWithin: async () => [],
    move: async () => undefined,
    installExecutable: async () => undefined,
    digest: async () => undefined,
    link: async () => undefined,
    linkTarget: async () => undefined,
    list: async () => [],
    space: async () => undefined,
    removeIfEmpty: async () => undefined,
  };
};
