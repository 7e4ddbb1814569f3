import { v5 as uuidv5 } from 'uuid';
import { z } from 'zod';

/**
 * An entity's id is also the name of its stream: `cluster-<uuid>`. The prefix is the stream category, so an id says what
 * it names and a server-side filter by category needs no lookup.
 */
export const ID_PREFIXES = [
  'account',
  'operator',
  'template',
  'node',
  'instance',
  'sdwan_network',
  'sdwan_peer',
  'virtual_ip',
  'access_grant',
  'firewall_rule',
  'cluster',
  'address_ledger',
  'webhook',
  'docker_host',
  'approval',
] as const;
export type IdPrefix = (typeof ID_PREFIXES)[number];

/** Streams that are no entity's own: named after one, after an account, or by what they are. */
const OTHER_CATEGORIES = [
  'account_prefixes',
  'audit_keys',
  'cluster_rollout',
  'docker_clients',
  'etcd_restore',
  'etcd_snapshot',
  'k3s_node',
  'kubeconfig',
  'login',
  'master_key',
  'module',
  'port_ledger',
  'projection',
  'secret_subject',
  'snapshot_policy',
  'tool_policy',
] as const;

/** Of every stream that tells news; inboxes of process managers (`pm_…`) are beside these. */
export const STREAM_CATEGORIES: readonly string[] = [...ID_PREFIXES, ...OTHER_CATEGORIES];

type Branded<P extends IdPrefix> = `${P}-${string}`;
export type AccountId = Branded<'account'>;
export type OperatorId = Branded<'operator'>;
export type TemplateId = Branded<'template'>;
export type NodeId = Branded<'node'>;
export type InstanceId = Branded<'instance'>;
export type NetworkId = Branded<'sdwan_network'>;
export type PeerId = Branded<'sdwan_peer'>;
export type VirtualIpId = Branded<'virtual_ip'>;
export type AccessGrantId = Branded<'access_grant'>;
export type ClusterId = Branded<'cluster'>;
export type WebhookId = Branded<'webhook'>;

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

/** A zod schema for ids with one prefix, e.g. `idSchema('cluster')` accepts `cluster-<uuid>` only. */
export const idSchema = <P extends IdPrefix>(prefix: P) =>
  z.string().regex(new RegExp(`^${prefix}-${UUID}$`), `must look like ${prefix}-<uuid>`) as unknown as z.ZodType<
    Branded<P>,
    Branded<P>
  >;

/** Source of fresh uuids. A port, so that a simulation can replay a run. */
export interface Ids {
  uuid(): string;
}

export const newId = <P extends IdPrefix>(prefix: P, ids: Ids): Branded<P> => `${prefix}-${ids.uuid()}`;

const DROVER_NAMESPACE = '8d9b6f0e-5a2c-5f57-9c1e-1f0a3f6d7b11';

/** uuidv5 over the parts: the same parts always give the same uuid. Used wherever a retry must find what it made before. */
export const deterministicUuid = (...parts: readonly (string | number)[]): string =>
  uuidv5(parts.map((part) => String(part).replaceAll('|', '||')).join('|.'), DROVER_NAMESPACE);

export const deterministicId = <P extends IdPrefix>(prefix: P, ...parts: readonly (string | number)[]): Branded<P> =>
  `${prefix}-${deterministicUuid(prefix, ...parts)}`;

/** The uuid part of an id, for derived stream names such as `address_ledger-<uuid of the network>`. */
export const uuidOf = (id: string): string => id.slice(id.indexOf('-') + 1);

/** The stream category of an id or stream name: what stands before the first dash. */
export const categoryOf = (stream: string): string => stream.slice(0, Math.max(0, stream.indexOf('-')));
