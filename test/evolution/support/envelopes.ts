import { canonicalJson, deterministicUuid, uuidOf, type EventDefinition } from '#kernel';
import type { EventMeta } from '#event-store';
import { pmStream } from '#processing';
import { sampleId, samples } from './samples.js';
import { storedSchema } from './json-schema.js';

/** An event as it stands in the log, in canonical form: what is hashed, and what every later build must read. */
export interface Envelope {
  readonly account: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly id: string;
  readonly meta: EventMeta;
  readonly schemaVersion: number;
  readonly stream: string;
  readonly type: string;
  readonly version: number;
}

const ACCOUNT = sampleId('account');
const TIME = '2026-01-02T03:04:05.678Z';

type Data = Readonly<Record<string, unknown>>;
const uuidIn = (data: Data, field: string): string => uuidOf(String(data[field]));

/** Samples of ids that are no uuids do not tell their category. */
const ownOf = (category: string, data: Data, field: string): string => {
  const id = String(data[field]);
  return id.startsWith(`${category}-`) ? id : `${category}-${id}`;
};

/** Streams of the events that are not on the stream of the first id in their data, by the beginning of their kind. */
const ELSEWHERE: readonly (readonly [prefix: string, stream: (data: Data) => string])[] = [
  ['system.pm.', (data) => pmStream(String(data['manager']), String(data['instance']))],
  ['system.account.', () => ACCOUNT],
  ['system.access.secrets_', (data) => `secret_subject-${String(data['subject'])}`],
  ['system.access.master_key_', () => 'master_key-platform'],
  ['system.sdwan.prefix_', () => `account_prefixes-${uuidOf(ACCOUNT)}`],
  ['system.sdwan.address.', (data) => `address_ledger-${uuidIn(data, 'network_id')}`],
  ['system.sdwan.pod_range.', (data) => `address_ledger-${uuidIn(data, 'network_id')}`],
  ['system.sdwan.peer_key.', (data) => `address_ledger-${uuidIn(data, 'network_id')}`],
  ['system.sdwan.port.', (data) => `port_ledger-${uuidIn(data, 'instance_id')}`],
  ['system.audit.key_', () => 'audit_keys-seals'],
  ['system.login.', () => `login-${uuidOf(ACCOUNT)}`],
  ['system.tool_policy.', () => `tool_policy-${uuidOf(ACCOUNT)}`],
  ['system.module.version_', (data) => `module-${deterministicUuid('module', String(data['artifact']))}`],
  ['system.docker.client_', () => `docker_clients-${uuidOf(ACCOUNT)}`],
  ['system.k3s.rollout.', (data) => `cluster_rollout-${uuidIn(data, 'cluster_id')}`],
  ['system.k3s.snapshot.policy_set', (data) => `snapshot_policy-${uuidIn(data, 'cluster_id')}`],
  ['system.k3s.snapshot.', (data) => ownOf('etcd_snapshot', data, 'snapshot_id')],
  ['system.k3s.restore.', (data) => ownOf('etcd_restore', data, 'restore_id')],
  ['system.k3s.kubeconfig.', (data) => ownOf('kubeconfig', data, 'issue_id')],
  ...['drain_progress', 'left', 'leave_failed'].map(
    (told) => [`system.k3s.node.${told}`, (data: Data) => `k3s_node-${uuidIn(data, 'instance_id')}`] as const,
  ),
  ['system.projection.', (data) => `projection-${String(data['projection'])}`],
];

const elsewhere = (type: string, data: Data): string | undefined =>
  ELSEWHERE.find(([prefix]) => type.startsWith(prefix))?.[1](data);

/** Some were frozen on another stream than they are on in logs; a frozen file is never written again. */
export const onItsStream = (frozen: Envelope): Envelope => ({
  ...frozen,
  stream: elsewhere(frozen.type, frozen.data) ?? frozen.stream,
});

const streamOf = (type: string, data: Data): string => {
  const known = elsewhere(type, data);
  if (known !== undefined) return known;
  const own = Object.values(data).find(
    (value) => typeof value === 'string' && /^[a-z][a-z0-9_]*-[0-9a-f]{8}-/.test(value),
  );
  return typeof own === 'string' ? own : ACCOUNT;
};

const linksOf = (data: Data): EventMeta['links'] =>
  Object.fromEntries(
    (['node', 'instance', 'cluster', 'network'] as const)
      .map((name) => [name, data[`${name}_id`]])
      .filter(([, id]) => typeof id === 'string'),
  ) as EventMeta['links'];

const envelope = (definition: EventDefinition, data: Data, nth: number): Envelope => {
  const { type, version: schemaVersion, severity } = definition;
  const commandId = deterministicUuid('sample', type, schemaVersion, nth);
  const meta: EventMeta = {
    accountId: ACCOUNT,
    actor: { kind: 'operator', id: sampleId('operator') },
    commandId,
    correlationId: deterministicUuid('sample correlation', type),
    causationId: commandId,
    occurredAt: TIME,
    severity,
    links: linksOf(data),
    topics: [],
  };
  const stream = streamOf(type, data);
  return {
    account: ACCOUNT,
    data,
    id: deterministicUuid('event', commandId),
    meta,
    schemaVersion,
    stream,
    type,
    version: 1,
  };
};

/** A process manager's inbox holds whole events of other streams, so its samples are made of theirs. */
const inbox = (data: Record<string, unknown>, about: Envelope): Record<string, unknown> => {
  const input = data['input'] as { kind: string };
  const { id, stream, version, type, schemaVersion, data: told, meta } = about;
  const whole = { id, stream, version, type, schemaVersion, data: told, meta, position: '5', recordedAt: TIME };
  return {
    ...data,
    manager: 'sdwan',
    instance: 'sample',
    input: input.kind === 'event' ? { ...input, event: whole } : input,
  };
};

/** `about` is the event in samples of inboxes. */
export const sampleEnvelopes = (definition: EventDefinition, about: EventDefinition): readonly Envelope[] => {
  const base = envelope(about, about.schema.parse(samples(storedSchema(about))[0]), 0);
  const made = samples(storedSchema(definition))
    .map((data) => (definition.type === 'system.pm.input_received' ? inbox(data, base) : data))
    // Through the schema, as every append goes: what is frozen is what would have been stored.
    .map((data) => definition.schema.parse(data) as Record<string, unknown>);
  const distinct = [...new Map(made.map((data) => [canonicalJson(data), data])).values()];
  return distinct.map((data, nth) => envelope(definition, data, nth));
};
