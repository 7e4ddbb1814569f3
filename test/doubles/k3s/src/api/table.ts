import type { KubeObject } from '../store.js';
import type { ResourceType } from './resources.js';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly priority: number;
  readonly format: string;
  readonly description: string;
}
type Cell = string | number;

const column = (name: string, priority = 0, type = 'string'): Column => ({
  name,
  type,
  priority,
  format: name === 'Name' ? 'name' : '',
  description: name,
});

/** Go's duration.HumanDuration for the AGE column. */
export const humanAge = (since: string | undefined, now: number): string => {
  if (since === undefined) return '<unknown>';
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
};

const at = (object: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined,
      object,
    );
const text = (object: unknown, path: string, fallback = '<none>'): string => {
  const value = at(object, path);
  return value === undefined || value === '' ? fallback : String(value);
};
const listAt = (object: unknown, path: string): Record<string, unknown>[] =>
  (at(object, path) as Record<string, unknown>[] | undefined) ?? [];

const nodeCells = (node: KubeObject, age: string): Cell[] => {
  const ready = listAt(node, 'status.conditions').find((c) => c['type'] === 'Ready');
  const status = [ready?.['status'] === 'True' ? 'Ready' : ready === undefined ? 'Unknown' : 'NotReady'];
  if (at(node, 'spec.unschedulable') === true) status.push('SchedulingDisabled');
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith(prefix))
    .map((label) => label.slice(prefix.length))
    .sort();
  const address = (kind: string): string =>
    String(listAt(node, 'status.addresses').find((a) => a['type'] === kind)?.['address'] ?? '<none>');
  return [
    node.metadata.name,
    status.join(','),
    roles.join(',') || '<none>',
    age,
    text(node, 'status.nodeInfo.kubeletVersion', ''),
    address('InternalIP'),
    address('ExternalIP'),
    text(node, 'status.nodeInfo.osImage', '<unknown>'),
    text(node, 'status.nodeInfo.kernelVersion', '<unknown>'),
    text(node, 'status.nodeInfo.containerRuntimeVersion', '<unknown>'),
  ];
};

const podCells = (pod: KubeObject, age: string): Cell[] => {
  const statuses = listAt(pod, 'status.containerStatuses');
  const waiting = statuses.map((s) => at(s, 'state.waiting.reason')).find((reason) => reason !== undefined);
  const phase =
    pod.metadata.deletionTimestamp !== undefined
      ? 'Terminating'
      : String(waiting ?? text(pod, 'status.phase', 'Unknown'));
  return [
    pod.metadata.name,
    `${statuses.filter((s) => s['ready'] === true).length}/${listAt(pod, 'spec.containers').length}`,
    phase,
    String(statuses.reduce((sum, s) => sum + Number(s['restartCount'] ?? 0), 0)),
    age,
    text(pod, 'status.podIP'),
    text(pod, 'spec.nodeName'),
    text(pod, 'status.nominatedNodeName'),
    '<none>',
  ];
};

const layouts: Record<string, { columns: Column[]; cells: (o: KubeObject, age: string) => Cell[] }> = {
  nodes: {
    columns: [
      ...['Name', 'Status', 'Roles', 'Age', 'Version'].map((name) => column(name)),
      ...['Internal-IP', 'External-IP', 'OS-Image', 'Kernel-Version', 'Container-Runtime'].map((name) =>
        column(name, 1),
      ),
    ],
    cells: nodeCells,
  },
  pods: {
    columns: [
      ...['Name', 'Ready', 'Status', 'Restarts', 'Age'].map((name) => column(name)),
      ...['IP', 'Node', 'Nominated Node', 'Readiness Gates'].map((name) => column(name, 1)),
    ],
    cells: podCells,
  },
  namespaces: {
    columns: ['Name', 'Status', 'Age'].map((name) => column(name)),
    cells: (o, age) => [o.metadata.name, text(o, 'status.phase', 'Active'), age],
  },
  secrets: {
    columns: ['Name', 'Type', 'Data', 'Age'].map((name) => column(name)),
    cells: (o, age) => [
      o.metadata.name,
      text(o, 'type', 'Opaque'),
      Object.keys((at(o, 'data') as object | undefined) ?? {}).length,
      age,
    ],
  },
  leases: {
    columns: ['Name', 'Holder', 'Age'].map((name) => column(name)),
    cells: (o, age) => [o.metadata.name, text(o, 'spec.holderIdentity', ''), age],
  },
  services: {
    columns: ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age'].map((name) => column(name)),
    cells: (o, age) => [
      o.metadata.name,
      text(o, 'spec.type', 'ClusterIP'),
      text(o, 'spec.clusterIP'),
      '<none>',
      listAt(o, 'spec.ports')
        .map((p) => `${String(p['port'])}/${String(p['protocol'] ?? 'TCP')}`)
        .join(',') || '<none>',
      age,
    ],
  },
};
const plain = {
  columns: ['Name', 'Age'].map((name) => column(name)),
  cells: (o: KubeObject, age: string): Cell[] => [o.metadata.name, age],
};

/** meta.k8s.io/v1 Table: what kubectl prints when asked for no particular format. */
export const tableOf = (
  type: ResourceType,
  objects: readonly KubeObject[],
  revision: number,
  include: string,
): object => {
  const layout = layouts[type.resource] ?? plain;
  const now = Date.now();
  const shown = (object: KubeObject): object =>
    include === 'Object'
      ? object
      : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: String(revision) },
    columnDefinitions: layout.columns,
    rows: objects.map((object) => ({
      cells: layout.cells(object, humanAge(object.metadata.creationTimestamp, now)),
      ...(include === 'None' ? {} : { object: shown(object) }),
    })),
  };
};
