import type { ServerResponse } from 'node:http';
import type { KubeObject, Store, StoreEvent } from '../store.js';
import { prefixOf, groupVersion, type ResourceType } from './resources.js';
import { selectorOf, type Predicate } from './selectors.js';
import { gone } from './status.js';

export interface WatchRequest {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly query: URLSearchParams;
  readonly render: (object: KubeObject) => object;
}

const BOOKMARK_MS = 15_000;

/** An object that stops matching a selector is DELETED for this watcher, one that starts is ADDED. */
const shape = (event: StoreEvent, matches: Predicate): { type: string; object: KubeObject } | undefined => {
  const now = matches(event.object);
  if (event.type === 'DELETED') return now ? { type: 'DELETED', object: event.object } : undefined;
  const before = event.previous !== undefined && matches(event.previous);
  if (now) return { type: before ? 'MODIFIED' : 'ADDED', object: event.object };
  if (!before) return undefined;
  const previous = {
    ...event.previous!,
    metadata: { ...event.previous!.metadata, resourceVersion: String(event.revision) },
  };
  return { type: 'DELETED', object: previous };
};

/** One watch: JSON lines until timeoutSeconds, the client's end, or a compaction. */
export const serveWatch = (store: Store, response: ServerResponse, request: WatchRequest): void => {
  const { type, query } = request;
  const selector = selectorOf(query);
  const matches: Predicate = (o) => (request.name === undefined || o.metadata.name === request.name) && selector(o);
  const prefix = prefixOf(type, type.namespaced ? request.namespace : undefined);
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  const send = (kind: string, object: object): void =>
    void response.write(`${JSON.stringify({ type: kind, object })}\n`);
  const bookmark = (annotations?: Record<string, string>): void =>
    send(
      'BOOKMARK',
      request.render({
        kind: type.kind,
        apiVersion: groupVersion(type),
        metadata: {
          resourceVersion: String(store.revision),
          creationTimestamp: null,
          ...(annotations === undefined ? {} : { annotations }),
        } as unknown as KubeObject['metadata'],
      }),
    );
  const from = query.get('resourceVersion') ?? '';
  const forward = (event: StoreEvent): void => {
    // This server may be behind the one that the client had until now.
    if (event.revision <= Number(from) || !event.key.startsWith(prefix)) return;
    const shaped = shape(event, matches);
    if (shaped !== undefined) send(shaped.type, request.render(shaped.object));
  };

  const initial = query.get('sendInitialEvents') === 'true';
  if (initial || from === '' || from === '0') {
    for (const object of store.list(prefix).filter(matches)) send('ADDED', request.render(object));
    if (initial) bookmark({ 'k8s.io/initial-events-end': 'true' });
  } else {
    const missed = store.since(Number(from));
    if (missed === undefined) {
      send('ERROR', gone().toStatus());
      return void response.end();
    }
    missed.forEach(forward);
  }

  const unsubscribe = store.subscribe((event) => {
    if (event !== 'reset') return forward(event);
    send('ERROR', gone().toStatus());
    response.end();
  });
  const bookmarks =
    query.get('allowWatchBookmarks') === 'true' ? setInterval(() => bookmark(), BOOKMARK_MS) : undefined;
  const seconds = Number(query.get('timeoutSeconds') ?? '0') || 1_800 + Math.random() * 1_800;
  const timeout = setTimeout(() => response.end(), seconds * 1_000);
  response.on('close', () => {
    unsubscribe();
    clearInterval(bookmarks);
    clearTimeout(timeout);
  });
};
