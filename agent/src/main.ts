import {
  armFailpoints,
  errorMessage,
  FailpointError,
  requireNode24,
  systemClock,
  systemRandom,
  systemTimers,
} from '#kernel';
import { systemFiles } from './adapters/files.js';
import { grpcTransport } from './adapters/grpc-transport.js';
import { systemHost } from './adapters/host.js';
import { systemHttp } from './adapters/http.js';
import { systemNames } from './adapters/names.js';
import { systemLoopback } from './adapters/loopback.js';
import { systemProcesses } from './adapters/processes.js';
import { systemDatagrams } from './adapters/udp.js';
import { systemVty } from './adapters/vty.js';
import type { Agent, Ending } from './agent.js';
import { buildAgent, chooseServices } from './build-agent.js';
import { parseCli, type RunOptions } from './cli.js';
import { EnrollmentRefused, ensureEnrolled } from './identity/enroll.js';
import { IdentityStore } from './identity/identity-store.js';
import { noKernelLease } from './lease/kernel-lease.js';
import { chooseKernelLease } from './lease/nft-lease.js';
import { jsonLog } from './log.js';
import { IpRoute } from './network/iproute.js';
import { MemoryLinkOps } from './network/memory-link-ops.js';
import type { AgentPorts } from './ports.js';
import { AGENT_VERSION } from './version.js';
import { chooseDriver } from './wireguard/choose.js';

/** Exit codes: 0 stopped or wiped, 2 the command line or the enrolment was refused, 4 superseded or quarantined. */
const EXIT = { ok: 0, failed: 1, refused: 2, superseded: 4 } as const;

const realPorts = (options: RunOptions): AgentPorts => ({
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  log: jsonLog((line) => process.stdout.write(line), systemClock, options.logLevel),
  files: systemFiles,
  processes: systemProcesses,
  datagrams: systemDatagrams,
  names: systemNames,
  host: systemHost(),
  transport: grpcTransport,
  loopback: systemLoopback,
  http: systemHttp,
});

const joinToken = async (options: RunOptions): Promise<string | undefined> => {
  if (options.token !== undefined) return options.token;
  if (options.tokenFile !== undefined) return (await systemFiles.read(options.tokenFile))?.toString('utf8').trim();
  const token = process.env['DROVER_JOIN_TOKEN'];
  // What the agent starts (K3s, wg, ip) inherits the environment, and has no business with the token.
  delete process.env['DROVER_JOIN_TOKEN'];
  return token;
};

/** K3s and the others that the agent starts inherit the environment, and must not be told. */
const armedFailpoints = () => {
  const failpoints = armFailpoints(process.env);
  delete process.env['DROVER_FAILPOINTS'];
  return failpoints;
};

const assemble = async (ports: AgentPorts, store: IdentityStore, options: RunOptions, signal: AbortSignal) => {
  const token = await joinToken(options);
  const enrolment = { address: options.enrollAddress, caPin: options.caPin, token };
  const identity = await ensureEnrolled(ports, store, enrolment, signal);
  if (identity === undefined) return undefined;
  const links =
    options.wireguard === 'memory' ? new MemoryLinkOps() : new IpRoute(ports.processes, ports.files, ports.log);
  const driver = await chooseDriver(ports, links, options.wireguard, options.stateDir);
  const services = await chooseServices(ports, options.services, options.stateDir);
  const fence = options.wireguard === 'memory' ? noKernelLease : await chooseKernelLease(ports, options.stateDir);
  // Without an overlay of the kernel's there is nothing that a routing daemon could use.
  const vty = driver.kind === 'uapi' || driver.kind === 'kernel' ? systemVty : undefined;
  return buildAgent({ ports, store, identity, driver, links, fence, services, vty, options });
};

const exitCode = (ending: Ending): number => (ending.kind === 'superseded' ? EXIT.superseded : EXIT.ok);

const run = async (options: RunOptions): Promise<number> => {
  const ports = realPorts(options);
  const store = new IdentityStore(ports.files, options.stateDir);
  const abort = new AbortController();
  let agent: Agent | undefined;
  const stop = () => {
    abort.abort();
    void agent?.stop(options.onExit === 'stop');
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  ports.log.info({ version: AGENT_VERSION, pid: process.pid, state_dir: options.stateDir }, 'agent starts');
  try {
    const failpoints = armedFailpoints();
    if (failpoints.length > 0) ports.log.warn({ failpoints }, 'failpoints are armed: this agent will crash or stall');
    agent = await assemble(ports, store, options, abort.signal);
    if (agent === undefined) return EXIT.ok;
    await agent.start();
    if (abort.signal.aborted) await agent.stop(options.onExit === 'stop');
    const ending = await agent.ended;
    ports.log.info({ ending: ending.kind }, 'agent ends');
    return exitCode(ending);
  } catch (error) {
    ports.log.error({ error: errorMessage(error) }, 'agent cannot run');
    return error instanceof EnrollmentRefused || error instanceof FailpointError ? EXIT.refused : EXIT.failed;
  }
};

requireNode24(process.version, (message) => {
  process.stderr.write(`drover-agent: ${message}\n`);
  process.exit(EXIT.refused);
});
const cli = parseCli(process.argv.slice(2), AGENT_VERSION);
if (cli.kind === 'run') void run(cli.options).then((code) => process.exit(code));
else if (cli.kind === 'print') process.stdout.write(cli.text);
else {
  process.stderr.write(`drover-agent: ${cli.message}\n`);
  process.exitCode = EXIT.refused;
}
