import { basename, dirname } from 'node:path';
import { ManualClock, seededRandom, silentLog } from '#kernel';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { K3sData } from './k3s-data.js';
import type { K3sDriver } from './k3s-driver.js';
import { k3sPaths } from './paths.js';
import { PhaseStore } from './phase-state.js';
import { K3sRestore } from './restore.js';

const paths = k3sPaths('/');
const request = { op: 'restore', id: 'r1', file: 'f', cluster_id: 'cluster-1', token: 'K10secret' } as const;

/** A server whose disk holds these files. */
const server = (disk: Map<string, string>) => {
  const files = {
    read: async (path: string) => (disk.has(path) ? Buffer.from(disk.get(path)!) : undefined),
    list: async (folder: string) =>
      [...disk.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path)),
    write: async (path: string, text: string) => void disk.set(path, text),
    remove: async (path: string) => void disk.delete(path),
  };
  const ran: string[][] = [];
  const processes = {
    run: async (_binary: string, argv: string[]) => {
      ran.push(argv);
      return { code: 0, stdout: '', stderr: '' };
    },
  };
  const did: string[] = [];
  const services = { stop: async (name: string) => void did.push(`stop ${name}`) } as unknown as ServiceManager;
  const clock = new ManualClock();
  const ports = { files, processes, timers: clock, random: seededRandom(1), log: silentLog } as unknown as AgentPorts;
  const phases = new PhaseStore(files as never, '/phases');
  const data = new K3sData({ ports, services, phases, paths });
  const token = { forget: async () => undefined };
  const driver = { data, token, install: async () => 'k3s' } as unknown as K3sDriver;
  const spec = { kind: 'k3s_server', assignment_id: 'a', node_name: 'n', node_ips: [], tls_san: [], args: [] };
  const told = () => ({ spec, busy: false }) as never;
  const restore = new K3sRestore({ ports, services, phases, paths, files: {} as never, driver, server: told });
  return { restore, phases, ran, did };
};

describe('a restore on this node', () => {
  it('resets the datastore once, with the token in a file that is gone afterwards', async () => {
    const disk = new Map<string, string>();
    const { restore, phases, ran, did } = server(disk);
    await restore.act(request);
    await restore.act(request);
    expect(did).toEqual(['stop k3s']);
    expect(ran).toHaveLength(1);
    expect(ran[0]).toContain('--cluster-reset');
    expect(JSON.stringify([...disk, ran])).not.toContain('K10secret');
    expect(phases.get('a')).toMatchObject({ restored: 'r1', halted: '', bootstrapped: true, dataCluster: 'cluster-1' });
  });

  it('touches nothing where a K3s runs that the agent did not start', async () => {
    const { restore, ran, did } = server(
      new Map([
        [paths.serverCa, 'CA'],
        [paths.nodeToken, 'T'],
      ]),
    );
    await expect(restore.act(request)).rejects.toThrow('did not start');
    expect([ran, did]).toEqual([[], []]);
  });
});
