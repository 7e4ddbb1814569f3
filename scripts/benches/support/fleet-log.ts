import { createHash } from 'node:crypto';
import { deterministicId, deterministicUuid, isoTime, type DomainEvent } from '#kernel';
import type { EventMeta, NewEvent } from '#event-store';
import * as fleet from '#fleet';

/** One append: all that one command decided on one stream. */
export interface Act {
  readonly stream: string;
  readonly events: readonly NewEvent[];
}

const ACCOUNTS = 20;
const START_MS = Date.parse('2026-01-01T00:00:00.000Z');
const hex = (...parts: readonly unknown[]): string => createHash('sha256').update(parts.join('/')).digest('hex');

const template = deterministicId('template', 'bench');
const instanceOf = (n: number) => deterministicId('instance', `bench-${n}`);
const nodeOf = (n: number) => deterministicId('node', `bench-${n}`);

const presence = (n: number, boot: number) => ({
  instance_id: instanceOf(n),
  boot_id: deterministicUuid('boot', n, boot),
  agent_version: '0.1.0',
  architecture: 'x64',
  hostname: `worker-${n}`,
  memory_bytes: 34_359_738_368,
  underlay_addresses: [`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, `fd00::${n.toString(16)}`],
  capabilities: { wireguard: 'kernel', k3s: 'yes', docker: 'yes', nft: 'yes' },
});

const assigned = (n: number) => ({
  instance_id: instanceOf(n),
  template_id: template,
  assignment_id: deterministicUuid('assignment', n),
  module_name: 'k3s-agent',
  config: { target_cluster_id: `cluster-${n % 50}`, labels: { zone: `z${n % 3}` } },
  priority: 100,
  template_version: 3,
});

const enrolled = (n: number) => ({
  instance_id: instanceOf(n),
  token_id: `token-${n}`,
  certificate_serial: hex('serial', n).slice(0, 32),
  public_key_digest: hex('key', n),
  not_after: isoTime(START_MS + 30 * 86_400_000),
  agent_version: '0.1.0',
  hostname: `worker-${n}`,
  machine_id: hex('machine', n).slice(0, 32),
  certificate_der_b64: Buffer.from(hex('certificate', n).repeat(8), 'hex').toString('base64'),
});

const installing = (n: number) => {
  const { instance_id, assignment_id, module_name } = assigned(n);
  return { instance_id, assignment_id, module_name };
};

/** How an instance comes to run, in the appends in which that happens. */
const youth = (n: number): [string, DomainEvent[]][] => {
  const instance_id = instanceOf(n);
  const created = { instance_id, node_id: nodeOf(n), name: `worker-${n}`, template_id: template, driver: 'existing' };
  const token = { token_id: `token-${n}`, token_digest: hex('token', n), expires_at: isoTime(START_MS + 3_600_000) };
  const node = { node_id: nodeOf(n), name: `worker-${n}`, template_id: template, description: '' };
  return [
    [nodeOf(n), [fleet.NodeCreated(node)]],
    [
      instance_id,
      [
        fleet.InstanceCreated({ ...created, cni_plugin: null }),
        fleet.InstanceProvisionRequested({ instance_id, driver: 'existing' }),
        fleet.InstanceJoinTokenIssued({ instance_id, ...token }),
      ],
    ],
    [instance_id, [fleet.InstanceEnrolled(enrolled(n))]],
    [instance_id, [fleet.InstanceOnline(presence(n, 0))]],
    [instance_id, [fleet.K3sModuleAssigned(assigned(n)), fleet.K3sRuntimeInstalling(installing(n))]],
  ];
};

/** One of the things that happen to a running instance, again and again. */
const life = (n: number, round: number): [string, DomainEvent[]][] => {
  const instance_id = instanceOf(n);
  switch ((n + round) % 3) {
    case 0:
      return [
        [instance_id, [fleet.InstanceLost({ instance_id, silent_ms: 3_000 + n })]],
        [instance_id, [fleet.InstanceReturned(presence(n, round))]],
      ];
    case 1:
      return [
        [instance_id, [fleet.InstanceDrainRequested({ instance_id, timeout_seconds: 300 })]],
        [instance_id, [fleet.InstanceDrained({ instance_id, evicted_pods: n % 17, warnings: [] })]],
        [instance_id, [fleet.InstanceUncordoned({ instance_id })]],
      ];
    default:
      return [
        [instance_id, [fleet.RuntimeFailed({ instance_id, module_name: 'k3s-agent', reason: 'exit status 1' })]],
        [instance_id, [fleet.K3sRuntimeInstalling(installing(n))]],
      ];
  }
};

const metaOf = (n: number, commandId: string, at: number, type: string): EventMeta => ({
  accountId: deterministicId('account', `bench-${n % ACCOUNTS}`),
  actor: { kind: 'agent', id: instanceOf(n) },
  commandId,
  correlationId: deterministicUuid('correlation', n),
  causationId: commandId,
  occurredAt: isoTime(START_MS + at),
  severity: type.endsWith('.lost') ? 'high' : 'info',
  links: { instance: instanceOf(n), node: nodeOf(n) },
  topics: [],
});

/**
 * The log of a fleet: every instance is created, enrols and comes online, then is lost and returns, is drained, has a
 * module that fails, in turn. The fleet's real events; instances take turns, so that no two neighbours are of one stream.
 */
export function* fleetLog(instances: number, rounds: number): Generator<Act> {
  let at = 0;
  const act = (n: number, [stream, made]: [string, DomainEvent[]]): Act => {
    const commandId = deterministicUuid('bench-command', at++);
    const events = made.map(({ type, data }, index) => ({
      id: deterministicUuid('bench-event', commandId, index),
      type,
      schemaVersion: 1,
      data: data as Record<string, unknown>,
      meta: metaOf(n, commandId, at, type),
    }));
    return { stream, events };
  };
  for (let step = 0; step < youth(0).length; step++) {
    for (let n = 0; n < instances; n++) yield act(n, youth(n)[step]!);
  }
  for (let round = 1; round <= rounds; round++) {
    for (let step = 0; step < 3; step++) {
      for (let n = 0; n < instances; n++) {
        const next = life(n, round)[step];
        if (next !== undefined) yield act(n, next);
      }
    }
  }
}
