import type { EventOf } from '#kernel';
import type { clusterEvents } from './events.js';

type ClusterEvent = EventOf<(typeof clusterEvents)[number]>;
/** What of a cluster's node this is about. */
interface Stands {
  readonly status: string;
  readonly aside?: boolean;
}

/** Nothing is scheduled there, whether it lives or not. */
export const standsAside = (node: Stands | undefined): boolean =>
  node?.status === 'draining' || (node?.status === 'not_ready' && node.aside === true);

type Standing = Extract<ClusterEvent, { type: `system.k3s.node.${'not_ready' | 'ready' | 'uncordoned' | 'draining'}` }>;

/**
 * Whether a node lives, and whether it stands aside, are two facts of which `status` shows the one that matters more: a machine
 * that is dead does not come to life by being drained, and a drained one that was away stands aside when it is back.
 */
export const standing = (node: Stands | undefined, event: Standing) => {
  const aside = standsAside(node);
  const away = node?.status === 'not_ready';
  switch (event.type) {
    case 'system.k3s.node.not_ready':
      return { status: 'not_ready', lastError: event.data.reason, ...(aside && { aside }) } as const;
    case 'system.k3s.node.ready':
      return aside ? ({ status: 'draining', aside: false } as const) : ({ status: 'ready' } as const);
    case 'system.k3s.node.uncordoned':
      return away ? { aside: false } : ({ status: 'ready' } as const);
    case 'system.k3s.node.draining':
      return away ? { aside: true } : ({ status: 'draining' } as const);
  }
};
