import { webcrypto } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
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
import { MemoryEventStore, type RecordedEvent } from '#event-store';
import type { agentV1 } from '#proto';
import { AgentGateway } from '../gateway.js';
import type { AgentGatewayOptions } from '../gateway-options.js';
import type { DesiredStateSource, EnrollmentHandler } from '../ports.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A key and a CSR, as an agent makes them. */
export const makeCsr = async (): Promise<{ keyPem: string; csrDer: Buffer }> => {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: P256 });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), csrDer: Buffer.from(csr.rawData) };
};

export const derToPem = (der: Uint8Array): string => x509.PemConverter.encode(new Uint8Array(der), 'CERTIFICATE');

/** Enrols whoever presents `token-<n>`; keeps in memory what the fleet context keeps in events. */
export class FakeEnrollment implements EnrollmentHandler {
  readonly revoked = new Map<string, { readonly wipe: boolean }>();
  readonly serials = new Map<string, string>();

  constructor(private readonly ca: PlatformCa) {}

  async enroll(request: agentV1.EnrollRequest): Promise<agentV1.EnrollResponse> {
    const match = /^token-(\d+)$/.exec(request.joinToken);
    if (match === null) {
      throw new RefusedError(
        refusal(401, 'unknown_join_token', 'this join token is not known', { field: 'join_token' }),
      );
    }
    const instanceId = instanceNo(Number(match[1]));
    return { instanceId, ...(await this.sign(instanceId, request.csrDer)), agentAddress: '' };
  }

  async renew(agent: { instanceId: string }, request: agentV1.RenewCertificateRequest) {
    return this.sign(agent.instanceId, request.csrDer);
  }

  async authorize(identity: { instanceId: string; certificateSerial: string }) {
    const revoked = this.revoked.get(identity.instanceId);
    if (revoked !== undefined) {
      return { kind: 'refused' as const, code: 'certificate_revoked', message: 'revoked', wipe: revoked.wipe };
    }
    return { kind: 'ok' as const, agent: { ...identity, accountId: 'account-1' } };
  }

  private async sign(instanceId: string, csrDer: Uint8Array) {
    const issued = await this.ca.issueAgentCertificate(instanceId, csrDer);
    this.serials.set(instanceId, issued.serial);
    return {
      certificateDer: Buffer.from(issued.certificateDer),
      caDer: this.ca.caDer().map((der) => Buffer.from(der)),
    };
  }
}

export const instanceNo = (n: number) => deterministicId('instance', 'rig', n);

/** A source whose desired state is set by events `{instance, section, items}`; an item of null is removed. */
export class TableSource implements DesiredStateSource {
  readonly name = 'table';
  private readonly tables = new Map<string, Map<string, Map<string, unknown>>>();

  apply(event: RecordedEvent): Iterable<string> {
    if (event.type !== 'test.desired') return [];
    const { instances, section, items } = event.data as {
      instances: string[];
      section: string;
      items: Record<string, unknown>;
    };
    for (const instance of instances) {
      const sections = this.tables.get(instance) ?? new Map<string, Map<string, unknown>>();
      this.tables.set(instance, sections);
      const table = sections.get(section) ?? new Map<string, unknown>();
      for (const [key, value] of Object.entries(items)) {
        if (value === null) table.delete(key);
        else table.set(key, Object.freeze(value));
      }
      if (table.size === 0) sections.delete(section);
      else sections.set(section, table);
    }
    return instances;
  }

  compile(instanceId: string): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    return this.tables.get(instanceId) ?? new Map();
  }
}

export interface Rig {
  readonly gateway: AgentGateway;
  readonly enrollment: FakeEnrollment;
  readonly ca: PlatformCa;
  readonly store: MemoryEventStore;
  readonly agentAddress: string;
  readonly enrollAddress: string;
  desire(instances: readonly string[], section: string, items: Readonly<Record<string, unknown>>): Promise<void>;
  append(stream: string, type: string, data: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
}

type Parts = Pick<AgentGatewayOptions, 'enrollment' | 'ca' | 'store'> & Partial<AgentGatewayOptions>;

/** On free loopback ports, with a source that events fill; not started. */
export const testGateway = (parts: Parts): AgentGateway => {
  const gateway = new AgentGateway({
    clock: systemClock,
    timers: systemTimers,
    ids: systemIds,
    random: systemRandom,
    log: silentLog,
    storeEpoch: 'epoch-1',
    agentAddress: '127.0.0.1:0',
    enrollAddress: '127.0.0.1:0',
    serverNames: ['localhost', '127.0.0.1'],
    beats: { beatMs: 200, leaseMs: 600, vipBeatMs: 50, vipLeaseMs: 150 },
    ...parts,
  });
  gateway.addSource(new TableSource());
  return gateway;
};

/** A real gateway on free loopback ports with a real CA over an in-memory log. */
export const startRig = async (
  more: Partial<AgentGatewayOptions> & { readonly store?: MemoryEventStore } = {},
  register: (gateway: AgentGateway) => void = () => undefined,
): Promise<Rig> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-gateway-'));
  const ca = await PlatformCa.open({ clock: systemClock, random: systemRandom, dataDir });
  const enrollment = new FakeEnrollment(ca);
  const store = more.store ?? new MemoryEventStore(systemClock);
  const gateway = testGateway({ ...more, enrollment: () => enrollment, ca, store });
  register(gateway);
  const ports = await gateway.start();
  let n = 0;
  const append = async (stream: string, type: string, data: Readonly<Record<string, unknown>>) => {
    const id = deterministicUuid('rig', systemIds.uuid(), ++n);
    const meta = {
      accountId: 'account-1',
      actor: { kind: 'system' as const, id: 'rig' },
      commandId: id,
      correlationId: id,
      causationId: id,
      occurredAt: '2026-01-01T00:00:00.000Z',
      severity: 'info' as const,
      links: {},
      topics: [],
    };
    await store.append({ stream, expected: 'any', events: [{ id, type, schemaVersion: 1, data, meta }] });
  };
  return {
    gateway,
    enrollment,
    ca,
    store,
    agentAddress: `127.0.0.1:${ports.agentPort}`,
    enrollAddress: `127.0.0.1:${ports.enrollPort}`,
    append,
    desire: (instances, section, items) => append('test-desired', 'test.desired', { instances, section, items }),
    close: async () => {
      await gateway.stop();
      await rm(dataDir, { recursive: true });
    },
  };
};
