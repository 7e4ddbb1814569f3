import type { KubeObject } from '../store.js';
import { ApiError } from './status.js';

export type Predicate = (object: KubeObject) => boolean;

const splitTopLevel = (text: string): string[] =>
  text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');

const labelTerm = (term: string): Predicate => {
  const set = /^([^\s!=]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const values = set[3]!.split(',').map((value) => value.trim());
    const has: Predicate = (o) => values.includes(o.metadata.labels?.[set[1]!] ?? '\0');
    return set[2] === 'in' ? has : (o) => !has(o);
  }
  const compare = /^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$/.exec(term);
  if (compare !== null) {
    const equal: Predicate = (o) => (o.metadata.labels?.[compare[1]!] ?? '\0') === compare[3];
    return compare[2] === '!=' ? (o) => !equal(o) : equal;
  }
  const exists = /^(!?)([^\s!=(),]+)$/.exec(term);
  if (exists === null) throw new ApiError(400, `unable to parse requirement: ${JSON.stringify(term)}`);
  return (o) => (o.metadata.labels?.[exists[2]!] !== undefined) === (exists[1] === '');
};

/** A dotted path, with a missing scalar read as empty, as the API server's field labels do. */
const fieldOf = (object: KubeObject, path: string): string => {
  let at: unknown = object;
  for (const part of path.split('.'))
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[part] : undefined;
  if (at === undefined && path === 'spec.unschedulable') return 'false';
  return at === undefined || at === null ? '' : String(at);
};

const fieldTerm = (term: string): Predicate => {
  const match = /^([\w.-]+)(==|=|!=)(.*)$/.exec(term);
  if (match === null) throw new ApiError(400, `invalid selector: '${term}'; can't understand '${term}'`);
  return (o) => (fieldOf(o, match[1]!) === match[3]) === (match[2] !== '!=');
};

export const selectorOf = (query: URLSearchParams): Predicate => {
  const terms = [
    ...splitTopLevel(query.get('labelSelector') ?? '').map(labelTerm),
    ...splitTopLevel(query.get('fieldSelector') ?? '').map(fieldTerm),
  ];
  return (object) => terms.every((term) => term(object));
};

/** metav1.LabelSelector, as in a PodDisruptionBudget. */
export const matchesLabelSelector = (selector: unknown, labels: Readonly<Record<string, string>>): boolean => {
  const { matchLabels = {}, matchExpressions = [] } = (selector ?? {}) as {
    matchLabels?: Record<string, string>;
    matchExpressions?: { key: string; operator: string; values?: string[] }[];
  };
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      return (operator === 'In') === (value !== undefined && values.includes(value));
    })
  );
};
