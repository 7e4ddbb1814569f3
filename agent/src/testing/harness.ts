import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemClock, systemRandom, systemTimers, type Log } from '#kernel';
import { systemFiles } from '../adapters/files.js';
import { grpcTransport } from '../adapters/grpc-transport.js';
import { systemHost } from '../adapters/host.js';
import { systemHttp } from '../adapters/http.js';
import { systemNames } from '../adapters/names.js';
import { systemLoopback } from '../adapters/loopback.js';
import { systemProcesses } from '../adapters/processes.js';
import { systemDatagrams } from '../adapters/udp.js';
import type { Agent } from '../agent.js';
import { buildAgent } from '../build-agent.js';
import { ensureEnrolled } from '../identity/enroll.js';
import { IdentityStore } from '../identity/identity-store.js';
import { noKernelLease } from '../lease/kernel-lease.js';
import { MemoryLinkOps } from '../network/memory-link-ops.js';
import type { AgentPorts } from '../ports.js';
import { ProcessManager } from '../services/process-manager.js';
import { MemoryWireGuardDriver } from '../wireguard/memory-driver.js';
import type { FakePlatform } from './fake-platform.js';

export const realPorts = (log: Log = silentLog): AgentPorts => ({
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  log,
  files: systemFiles,
  processes: systemProcesses,
  datagrams: systemDatagrams,
  names: systemNames,
  host: systemHost(),
  transport: grpcTransport,
  loopback: systemLoopback,
  http: systemHttp,
});

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'drover-agent-'));

export interface RunningAgent {
  readonly agent: Agent;
  readonly driver: MemoryWireGuardDriver;
  readonly links: MemoryLinkOps;
  readonly store: IdentityStore;
}

/** A whole agent with real sockets, files and processes, but no kernel networking. */
export const startAgent = async (
  platform: FakePlatform,
  stateDir: string,
  options: { root?: string; k3sBin?: string; ports?: Partial<AgentPorts> } = {},
): Promise<RunningAgent> => {
  const ports = { ...realPorts(), ...options.ports };
  const store = new IdentityStore(ports.files, stateDir);
  const enrolment = { address: `127.0.0.1:${platform.enrollPort}`, caPin: platform.ca.pin, token: 'token-1' };
  const identity = await ensureEnrolled(ports, store, enrolment, new AbortController().signal);
  if (identity === undefined) throw new Error('enrolment was aborted');
  const driver = new MemoryWireGuardDriver();
  const links = new MemoryLinkOps();
  const agent = buildAgent({
    ports,
    store,
    identity,
    driver,
    links,
    fence: noKernelLease,
    services: new ProcessManager(ports, join(stateDir, 'services')),
    options: { stateDir, root: options.root ?? stateDir, k3sBin: options.k3sBin },
  });
  await agent.start();
  return { agent, driver, links, store };
};

/** Polls until `check` holds; the error says what was waited for. The bound is for what never comes: machines differ tenfold. */
export const eventually = async (what: string, check: () => unknown, timeoutMs = 60_000): Promise<void> => {
  const end = systemClock.monotonicMs() + timeoutMs;
  while (!(await check())) {
    if (systemClock.monotonicMs() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise<void>((resolve) => systemTimers.after(20, resolve));
  }
};
