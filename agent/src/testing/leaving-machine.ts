import { join } from 'node:path';
import { silentLog } from '#kernel';
import { systemFiles } from '../adapters/files.js';
import { K3sLeaving } from '../k3s/leaving/leaving.js';
import { k3sPaths } from '../k3s/paths.js';
import { PhaseStore } from '../k3s/phase-state.js';
import type { AgentPorts, Files, Processes } from '../ports.js';
import { SystemdManager } from '../services/systemd-manager.js';

export interface Machine {
  readonly mounts?: readonly string[];
  /** Answers by the start of the command line; everything else succeeds and says nothing. */
  readonly says?: Readonly<Record<string, string>>;
  readonly fails?: RegExp;
  readonly network?: boolean;
  readonly files?: Partial<Files>;
}

/** Files are real, below a folder; what would change this very machine is only written down. */
export const leavingMachine = async (
  root: string,
  { mounts = [], says = {}, fails = /^$/, network = true, files: more = {} }: Machine = {},
) => {
  const ran: string[] = [];
  const killed: number[] = [];
  const bounds = new Map<string, number | undefined>();
  const mounted = new Set(mounts.map((point) => join(root, point)));
  const processes = {
    run: async (command: string, args: readonly string[], input?: string, limitMs?: number) => {
      const line = [command, ...args].join(' ');
      bounds.set(line, limitMs);
      ran.push(input === undefined ? line : `${line} <<< ${input}`);
      if (fails.test(line)) return { code: 1, stdout: '', stderr: 'device or resource busy' };
      if (command === 'umount') mounted.delete(args.at(-1)!);
      const said = Object.entries(says).find(([start]) => line.startsWith(start))?.[1];
      return { code: 0, stdout: said ?? '', stderr: '' };
    },
    kill: (pid: number) => killed.push(pid) > 0,
  } as unknown as Processes;
  const files = {
    ...systemFiles,
    read: async (path: string) =>
      path === '/proc/self/mounts'
        ? Buffer.from([...mounted].map((point) => `tmpfs ${point} tmpfs rw 0 0`).join('\n'))
        : systemFiles.read(path),
    ...more,
  };
  const phases = new PhaseStore(files, join(root, 'state/phases.json'));
  const services = new SystemdManager({ files, processes }, join(root, 'etc/systemd/system'));
  const ports = { files, processes, log: silentLog } as unknown as AgentPorts;
  const paths = k3sPaths(root);
  const deps = { ports, services, phases, paths, stateDir: join(root, 'state'), network };
  return { leaving: new K3sLeaving(deps), phases, ran, killed, bounds, ports, services, paths };
};
