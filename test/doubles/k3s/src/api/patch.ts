import { ApiError } from './status.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** RFC 7386. */
const mergePatch = (target: Json | undefined, patch: Json): Json => {
  if (!isObject(patch)) return patch;
  const result: { [key: string]: Json } = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
};

/** Lists that strategic merge joins by key; every other list is replaced. */
const mergeKeys: Record<string, string> = {
  conditions: 'type',
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  ports: 'containerPort',
  addresses: 'type',
  ownerReferences: 'uid',
};

const mergeList = (target: Json[], patch: Json[], mergeKey: string): Json[] => {
  const result = [...target];
  for (const item of patch) {
    if (!isObject(item)) return patch;
    const at = result.findIndex((other) => isObject(other) && other[mergeKey] === item[mergeKey]);
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategic(result[at], item);
    else result.push(strategic(undefined, item));
  }
  return result;
};

const strategic = (target: Json | undefined, patch: Json, key = ''): Json => {
  if (Array.isArray(patch)) {
    const mergeKey = mergeKeys[key];
    return mergeKey !== undefined && Array.isArray(target) ? mergeList(target, patch, mergeKey) : patch;
  }
  if (!isObject(patch)) return patch;
  if (patch['$patch'] === 'replace')
    return Object.fromEntries(Object.entries(patch).filter(([name]) => name !== '$patch'));
  const result: { [key: string]: Json } = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    if (value === null) delete result[name];
    else result[name] = strategic(result[name], value, name);
  }
  return result;
};

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: Json;
  readonly from?: string;
}

const pointer = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

const applyOperation = (root: Json, { op, path, value }: Operation): void => {
  const parts = pointer(path);
  const last = parts.pop();
  let at: Json | undefined = root;
  for (const part of parts) at = Array.isArray(at) ? at[Number(part)] : isObject(at) ? at[part] : undefined;
  if (at === undefined || last === undefined || (!isObject(at) && !Array.isArray(at)))
    throw new ApiError(
      422,
      `the server rejected our request due to an error in our request: path ${path} does not exist`,
    );
  const container = at as { [key: string]: Json } & Json[];
  const index = Array.isArray(at) && last === '-' ? at.length : last;
  const current = container[index as never] as Json | undefined;
  if (op === 'test') {
    if (JSON.stringify(current) !== JSON.stringify(value))
      throw new ApiError(422, `testing value ${path} failed: test failed`);
  } else if (op === 'remove') {
    if (current === undefined) throw new ApiError(422, `remove operation does not apply: doc is missing path: ${path}`);
    if (Array.isArray(at)) at.splice(Number(last), 1);
    else delete (at as { [key: string]: Json })[last];
  } else if (op === 'add' && Array.isArray(at)) at.splice(Number(index), 0, value ?? null);
  else if (op === 'add' || op === 'replace') container[index as never] = (value ?? null) as never;
  else throw new ApiError(422, `json patch operation ${JSON.stringify(op)} is not known to the stand-in`);
};

/** Applies a patch of the given content type to an object. */
export const applyPatch = <T extends object>(object: T, contentType: string, body: string): T => {
  const patch = JSON.parse(body) as Json;
  const target = structuredClone(object) as unknown as Json;
  const media = contentType.split(';')[0]!.trim();
  switch (media) {
    case 'application/merge-patch+json':
      return mergePatch(target, patch) as T;
    case 'application/strategic-merge-patch+json':
    case 'application/apply-patch+yaml':
      return strategic(target, patch) as T;
    case 'application/json-patch+json':
      for (const operation of patch as unknown as Operation[]) applyOperation(target, operation);
      return target as T;
    default:
      throw new ApiError(
        415,
        `the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json`,
      );
  }
};
