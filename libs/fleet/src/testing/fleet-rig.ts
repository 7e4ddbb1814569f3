import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { ManualClock, silentLog, systemIds, systemRandom, type InstanceId } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { createInMemoryPlatform, type Command, type CommandClass, type CommandContext } from '#processing';
import { accessEvents, EnvelopeSecretStore, MemorySecretRows, PlatformCa } from '#access';
import type { AgentLink } from '#agent-gateway';
import { CursorCodec, MemoryIdempotencyLedger, ToolRegistry } from '#tools';
import { DrainAdvice } from '../application/drain-advice.js';
import { FleetEnrollment } from '../application/enrollment.js';
import { fleetAssignments } from '../application/fleet-assignments.js';
import { fleetDeadlines } from '../application/fleet-deadlines.js';
import { fleetProvisioning } from '../application/fleet-provisioning.js';
import { fleetTermination } from '../application/fleet-termination.js';
import { fleetUses } from '../application/handlers/index.js';
import { InstanceIndex } from '../application/instance-index.js';
import { LivenessObserver } from '../application/liveness.js';
import type { FleetServices } from '../application/services.js';
import { fleetEvents } from '../domain/events.js';
import { fleetInstances, fleetModuleVersions, fleetNodes, fleetTemplates } from '../projections/index.js';
import { existingMachines, type ProvisioningDriver } from '../provisioning/driver.js';
import { registerFleetTools } from '../tools/register.js';

export const ACCOUNT = 'account-00000000-0000-4000-8000-00000000000a';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A CSR as an agent makes it: with a key of its own each time. */
export const newCsr = async (): Promise<Buffer> => {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const csr = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: P256 });
  return Buffer.from(csr.rawData);
};

export interface RigOptions {
  readonly drivers?: readonly ProvisioningDriver[];
  /** Without it only the command handlers carry assignments to instances. */
  readonly processManagers?: boolean;
  readonly silentMs?: (instanceId: string) => number;
}

/** The whole context over memory: commands, process managers, projections, tools and enrolment with a real CA. */
export const createFleetRig = async (options: RigOptions = {}) => {
  const clock = new ManualClock();
  const platform = createInMemoryPlatform({ definitions: [...fleetEvents, ...accessEvents], clock });
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-fleet-'));
  const authority = await PlatformCa.open({ clock, random: systemRandom, dataDir });
  const services: FleetServices = {
    ...platform,
    clock,
    random: systemRandom,
    log: silentLog,
    authority,
    secrets: new EnvelopeSecretStore(new MemorySecretRows(), new Uint8Array(32).fill(7), systemRandom, systemIds),
    drainAdvice: new DrainAdvice(),
    config: {
      DROVER_ENROLL_ADDR: '0.0.0.0:7444',
      DROVER_AGENT_ADDR: '0.0.0.0:7443',
      DROVER_PUBLIC_URL: 'https://drover.test:8080',
    },
    drivers: new Map([existingMachines, ...(options.drivers ?? [])].map((driver) => [driver.name, driver])),
  };
  const index = new InstanceIndex(platform.store);
  const enrollment = new FleetEnrollment(services, platform.dispatcher, index);
  const liveness = new LivenessObserver(services, platform.dispatcher);
  for (const { command, run } of fleetUses) {
    platform.handle(command, (c) => run(services, c.payload, c.context));
    platform.processing.addCommand(command);
  }
  for (const projection of [fleetTemplates, fleetNodes]) platform.processing.addProjection<object>(projection as never);
  platform.processing.addProjection(fleetInstances);
  platform.processing.addProjection(fleetModuleVersions);
  if (options.processManagers !== false) {
    platform.processing.addProcessManager(fleetAssignments);
    platform.processing.addProcessManager(fleetProvisioning);
    platform.processing.addProcessManager(fleetTermination);
    platform.processing.addProcessManager(fleetDeadlines);
  }
  const tools = registryOf(platform, services, options);
  let n = 0;
  const context = (commandId = `command-${++n}`, accountId = ACCOUNT): CommandContext => ({
    commandId,
    correlationId: commandId,
    causationId: commandId,
    accountId,
    actor: { kind: 'operator', id: 'operator-1' },
    nowMs: clock.wallMs(),
  });
  const call = async (name: string, args: object = {}, accountId = ACCOUNT) => {
    const principal = { operatorId: 'operator-1', accountId, name: 'op', permissions: new Set(['*']) };
    const answer = await tools.call({ name, arguments: args, principal });
    if (answer.kind === 'failed') throw new Error(`${name} failed`);
    return answer;
  };
  return {
    secrets: services.secrets,
    ...platform,
    clock,
    authority,
    services,
    index,
    enrollment,
    liveness,
    context,
    call,
    /** The data of a call that must succeed. */
    ok: async (name: string, args: object = {}, accountId = ACCOUNT): Promise<Answer> => {
      const answer = await call(name, args, accountId);
      if (answer.kind !== 'ok') throw new Error(`${name}: ${JSON.stringify(answer)}`);
      return answer.data as unknown as Answer;
    },
    /** The refusal of a call that must be refused. */
    refused: async (name: string, args: object = {}, accountId = ACCOUNT) => {
      const answer = await call(name, args, accountId);
      if (answer.kind !== 'refused') throw new Error(`${name} was not refused: ${JSON.stringify(answer)}`);
      return answer.refusal;
    },
    run: <P extends object, T>(type: CommandClass<P, T>, payload: P, commandId?: string) =>
      platform.dispatch(new type(payload, context(commandId)) as Command<P, T>),
    events: async (stream: string): Promise<RecordedEvent[]> => {
      const found: RecordedEvent[] = [];
      for await (const event of platform.store.readStream(stream)) found.push(event);
      return found;
    },
    enroll: (joinToken: string, csrDer: Buffer) =>
      enrollment.enroll({
        joinToken,
        csrDer,
        agentVersion: '1.0.0',
        hostname: 'host-1',
        bootId: 'boot-1',
        machineId: 'machine-1',
      }),
    close: () => rm(dataDir, { recursive: true }),
  };
};
export type FleetRig = Awaited<ReturnType<typeof createFleetRig>>;

/** Tool answers as tests look into them. */
export interface Answer {
  readonly template: Thing & { readonly module_assignments: readonly Thing[]; readonly node_count: number };
  readonly node: Thing & { readonly instance_id: string | null };
  readonly instance: InstanceAnswer;
  readonly instances: readonly InstanceAnswer[];
  readonly assignment: Thing;
  readonly join: { readonly token: string; readonly command: string; readonly expires_at: string };
  readonly [key: string]: unknown;
}
interface Thing {
  readonly id: string;
  readonly name: string;
  readonly [key: string]: unknown;
}
interface InstanceAnswer extends Thing {
  readonly state: string;
  readonly last_error: string | null;
  readonly next_action: string | null;
  readonly deadline_at: string | null;
  readonly modules: readonly {
    readonly module_name: string;
    readonly status: string;
    readonly assignment_id: string;
  }[];
}

const registryOf = (
  platform: Pick<ReturnType<typeof createInMemoryPlatform>, 'dispatcher' | 'readYourWrites' | 'ids' | 'clock'>,
  services: FleetServices,
  options: RigOptions,
): ToolRegistry => {
  const registry = new ToolRegistry({
    dispatcher: platform.dispatcher,
    readYourWrites: platform.readYourWrites,
    ledger: new MemoryIdempotencyLedger(),
    cursors: new CursorCodec(new Uint8Array(32).fill(1)),
    clock: platform.clock,
    ids: platform.ids,
    log: { ...silentLog, error: (fields) => void process.stderr.write(`${JSON.stringify(fields)}\n`) },
    onBadOutput: 'throw',
  });
  const link: Pick<AgentLink, 'liveness'> = {
    liveness: (id) => {
      const silentMs = options.silentMs?.(id) ?? 0;
      return { connected: silentMs === 0, silentMs, lost: false, applied: new Map() };
    },
  };
  registerFleetTools(registry, services, link);
  return registry;
};

export const instanceOf = (id: string): InstanceId => id as InstanceId;
