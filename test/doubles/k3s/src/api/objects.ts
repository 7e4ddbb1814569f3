import { randomBytes, randomUUID } from 'node:crypto';
import type { KubeObject } from '../store.js';
import { groupVersion, type ResourceType } from './resources.js';
import { ApiError } from './status.js';

const NAME = /^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/;
type Dict = Record<string, unknown>;

export const toSeconds = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

const parseBody = (body: string): KubeObject => {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ApiError(400, `the object provided is unrecognized (must be of type JSON): ${cause.message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ApiError(400, 'the object provided is unrecognized');
  return { ...value, metadata: { ...(value as KubeObject).metadata } } as KubeObject;
};

/** A body for this type, or 400. */
export const readObject = (type: ResourceType, body: string): KubeObject => {
  const object = parseBody(body);
  if (object.kind !== undefined && object.kind !== type.kind)
    throw new ApiError(
      400,
      `${object.kind} in version "${object.apiVersion ?? ''}" cannot be handled as a ${type.kind}`,
    );
  return { ...object, kind: type.kind, apiVersion: groupVersion(type) };
};

const podDefaults = (pod: KubeObject): KubeObject => {
  const spec = (pod['spec'] ?? {}) as Dict;
  const containers = (spec['containers'] ?? []) as Dict[];
  if (containers.length === 0)
    throw new ApiError(422, `Pod "${pod.metadata.name}" is invalid: spec.containers: Required value`);
  return {
    ...pod,
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      schedulerName: 'default-scheduler',
      ...spec,
      containers: containers.map((c) => ({ imagePullPolicy: 'IfNotPresent', resources: {}, ...c })),
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  };
};

/** stringData is write-only and goes into data. */
const secretDefaults = (secret: KubeObject): KubeObject => {
  const { stringData, ...rest } = secret as KubeObject & { stringData?: Record<string, string> };
  const added = Object.fromEntries(
    Object.entries(stringData ?? {}).map(([k, v]) => [k, Buffer.from(v).toString('base64')]),
  );
  const data = { ...((rest['data'] as Dict | undefined) ?? {}), ...added };
  return { ...rest, type: rest['type'] ?? 'Opaque', ...(Object.keys(data).length > 0 ? { data } : {}) } as KubeObject;
};

export const withDefaults = (type: ResourceType, object: KubeObject): KubeObject => {
  if (type.resource === 'pods') return podDefaults(object);
  if (type.resource === 'secrets') return secretDefaults(object);
  if (type.resource === 'namespaces')
    return { ...object, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };
  return object;
};

export const prepareCreate = (
  type: ResourceType,
  namespace: string | undefined,
  given: KubeObject,
  now: number,
): KubeObject => {
  const { generateName } = given.metadata as { generateName?: string };
  const name =
    given.metadata.name ??
    (generateName === undefined ? '' : `${generateName}${randomBytes(3).toString('hex').slice(0, 5)}`);
  if (!NAME.test(name) || name.length > 253)
    throw new ApiError(
      422,
      `${type.kind} "${name}" is invalid: metadata.name: Invalid value: ${JSON.stringify(name)}: a lowercase RFC 1123 subdomain is required`,
    );
  if (type.namespaced && given.metadata.namespace !== undefined && given.metadata.namespace !== namespace)
    throw new ApiError(400, 'the namespace of the provided object does not match the namespace sent on the request');
  const metadata = { ...given.metadata };
  delete metadata.resourceVersion;
  return withDefaults(type, {
    ...given,
    metadata: {
      ...metadata,
      name,
      ...(type.namespaced ? { namespace: namespace! } : {}),
      uid: randomUUID(),
      creationTimestamp: toSeconds(now),
      ...(given['spec'] === undefined ? {} : { generation: 1 }),
    },
  });
};

/** What an update may not change stays, and the status changes through its subresource only. */
export const prepareUpdate = (
  type: ResourceType,
  current: KubeObject,
  next: KubeObject,
  subresource: string | undefined,
): KubeObject => {
  const fixed = {
    name: current.metadata.name,
    uid: current.metadata.uid,
    creationTimestamp: current.metadata.creationTimestamp,
  };
  if (subresource === 'status')
    return {
      ...current,
      metadata: { ...current.metadata, annotations: next.metadata.annotations ?? current.metadata.annotations! },
      status: next['status'],
    };
  const specChanged = JSON.stringify(current['spec']) !== JSON.stringify(next['spec']);
  const generation =
    current.metadata.generation === undefined
      ? {}
      : { generation: current.metadata.generation + (specChanged ? 1 : 0) };
  const merged: KubeObject = {
    ...next,
    metadata: { ...next.metadata, ...fixed, ...generation } as KubeObject['metadata'],
  };
  if (type.namespaced) merged.metadata.namespace = current.metadata.namespace!;
  if (type.subresources.includes('status')) merged['status'] = current['status'];
  return type.resource === 'secrets' ? secretDefaults(merged) : merged;
};
