import type { V1Node } from '@kubernetes/client-node';
import { foreignText } from '#kernel';

const MAX_REASON = 300;

/** What Kubernetes finds wrong with a node; undefined when it is Ready. A cordoned node is Ready as well. */
export const problemOf = (node: V1Node): string | undefined => {
  const ready = (node.status?.conditions ?? []).find((condition) => condition.type === 'Ready');
  if (ready === undefined) return 'kubelet has not reported its status';
  if (ready.status === 'True') return undefined;
  const why = [ready.reason, ready.message].map((text) => foreignText(text, MAX_REASON)).filter((text) => text !== '');
  return foreignText(`Ready is ${ready.status}${why.length === 0 ? '' : ` (${why.join(': ')})`}`, MAX_REASON);
};

/** Problems that the API reported start with this, so that only the API's word ends them. */
export const API_PREFIX = 'Kubernetes: ';
export const NODE_GONE = 'its Node object is gone';
