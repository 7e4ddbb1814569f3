import { categoryOf } from '#kernel';
import { defineProjection, listed, type ListedProjection } from '#processing';
import type { DockerEvent } from '../domain/events.js';
import { evolveHost, noHost, type DockerHost } from '../domain/host.js';

export interface DockerHostDoc {
  readonly id: string;
  readonly account: string;
  readonly created_at: string;
  readonly state_since: string;
  readonly host: DockerHost;
}

export const dockerHosts = defineProjection<DockerHostDoc>({
  name: 'docker_hosts',
  version: 2,
  keys: (event) => (categoryOf(event.stream) === 'docker_host' ? [event.stream] : []),
  fold: (doc, event, key) => {
    const fact = { type: event.type, data: event.data } as unknown as DockerEvent;
    const host = evolveHost(doc?.host ?? noHost, fact);
    if (host.status === 'absent') return undefined;
    const at = event.meta.occurredAt;
    return {
      id: key,
      account: doc?.account ?? event.meta.accountId,
      created_at: doc?.created_at ?? at,
      state_since: doc === undefined || doc.host.status !== host.status ? at : doc.state_since,
      host,
    };
  },
  columns: (doc) => ({ account: doc.account, name: doc.host.name, status: doc.host.status }),
  columnTypes: { name: 'text', status: 'text' },
});

export const dockerProjections: readonly ListedProjection[] = [listed(dockerHosts)];
