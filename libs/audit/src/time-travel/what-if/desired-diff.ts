import { canonicalJson } from '#kernel';
import type { DesiredSections } from './port.js';

export interface FieldChange {
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
  /** Of lists (allowed_ips, addresses): only what is different. */
  readonly added?: unknown[];
  readonly removed?: unknown[];
}

export interface ItemChange {
  /** e.g. `peer/sdwan_peer-…`, `vip/virtual_ip-…`, `module/k3s-server`, `interface`. */
  readonly item: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly value?: unknown;
  readonly fields?: FieldChange[];
}

export interface SectionChange {
  readonly section: string;
  readonly changes: ItemChange[];
}

type Items = ReadonlyMap<string, unknown>;
const NONE: Items = new Map();

/** What a node's desired state would be told differently: per section, per WireGuard peer, route, VIP or module. */
export const diffDesired = (before: DesiredSections, after: DesiredSections): SectionChange[] =>
  [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((section) => {
    const changes = diffItems(before.get(section) ?? NONE, after.get(section) ?? NONE);
    return changes.length === 0 ? [] : [{ section, changes }];
  });

/** Nodes of a mesh share what they are told of each other, thousands of items each: what is the same object is not looked into. */
const diffItems = (before: Items, after: Items): ItemChange[] => {
  const changes: ItemChange[] = [];
  for (const [item, value] of after) {
    const was = before.get(item);
    if (was === value) continue;
    if (!before.has(item)) changes.push({ item, change: 'added', value });
    else {
      const fields = diffFields(was, value);
      if (fields.length > 0) changes.push({ item, change: 'changed', fields });
    }
  }
  for (const item of before.keys()) if (!after.has(item)) changes.push({ item, change: 'removed' });
  return changes.sort((a, b) => (a.item < b.item ? -1 : 1));
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): string => (value === undefined ? '' : canonicalJson(value));

const diffFields = (before: unknown, after: unknown, path = ''): FieldChange[] => {
  if (text(before) === text(after)) return [];
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => diffFields(before[key], after[key], path === '' ? key : `${path}.${key}`));
  }
  const field = path === '' ? 'value' : path;
  if (!Array.isArray(before) || !Array.isArray(after)) {
    return [{ field, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
  }
  const [was, is] = [new Set(before.map(text)), new Set(after.map(text))];
  const added = after.filter((one) => !was.has(text(one)));
  const removed = before.filter((one) => !is.has(text(one)));
  return added.length + removed.length === 0 ? [{ field, before, after }] : [{ field, added, removed }];
};
