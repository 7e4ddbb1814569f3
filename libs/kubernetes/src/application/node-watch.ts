import type { V1Node } from '@kubernetes/client-node';
import { backoffMs, sleep, type Random, type Timers } from '#kernel';
import type { KubeApi } from './kube-api.js';

const PAGE = 100;
const LEAST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 30_000;
/** Between watches that end early; each goes on where the one before ended. */
const MOST_BETWEEN_MS = 10_000;
/** Kubernetes itself ends at 5,000; an API server that a tenant owns may go on for ever. */
export const MOST_NODES = 20_000;
const MOST_PAGES = 2 * (MOST_NODES / PAGE);

/** What a watch of a cluster's nodes tells: first everything there is, then every change. */
export interface NodeSink {
  listed(nodes: readonly V1Node[]): void;
  changed(node: V1Node): void;
  deleted(name: string): void;
}

interface Options {
  readonly timers: Timers;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Opens the API through a server that is connected now. */
  open(): Promise<KubeApi>;
  /** Told of every failure; the watch goes on by itself. */
  failed(error: unknown): void;
}

/**
 * Follows a cluster's nodes until the signal aborts: one list, then a watch that is resumed where it broke off, and a list
 * again only when the server has forgotten that far back. So an idle cluster of a thousand nodes costs next to nothing.
 */
export const followNodes = async (sink: NodeSink, options: Options): Promise<void> => {
  const { signal, timers, random } = options;
  for (let failures = 0; !signal.aborted;) {
    try {
      const api = await options.open();
      try {
        // Ended because it was too old to resume from: a server that says so again and again is asked less and less.
        await listAndWatch(api, sink, options, () => (failures = 0));
        failures++;
      } finally {
        await (api.destroy?.(new Error('the watch ended')) ?? api.close());
      }
    } catch (error) {
      if (signal.aborted) return;
      options.failed(error);
      failures++;
    }
    await sleep(timers, LEAST_PAUSE_MS + backoffMs(failures, () => random.unit(), 500, MOST_PAUSE_MS), signal);
  }
};

const listAndWatch = async (
  api: KubeApi,
  sink: NodeSink,
  { signal, timers, random }: Options,
  worked: () => void,
): Promise<void> => {
  let version = await list(api, sink);
  for (let short = 0; !signal.aborted;) {
    let isLong = false;
    const cancel = timers.after(MOST_PAUSE_MS, () => (isLong = true));
    const next = await watch(api, version, sink, signal).finally(cancel);
    if (next === undefined) return; // too old to resume from
    // A server that ends every watch at once, with much in it or nothing, is asked more and more seldom, whatever version it names.
    short = isLong ? 0 : short + 1;
    await sleep(timers, LEAST_PAUSE_MS + backoffMs(short, () => random.unit(), 500, MOST_BETWEEN_MS), signal);
    version = next;
    if (isLong) worked();
  }
};

const list = async (api: KubeApi, sink: NodeSink): Promise<string> => {
  const nodes: V1Node[] = [];
  let token: string | undefined;
  let version = '';
  let pages = 0;
  do {
    const page = await api.core.listNode({ limit: PAGE, ...(token === undefined ? {} : { _continue: token }) });
    nodes.push(...page.items);
    if (nodes.length > MOST_NODES || ++pages > MOST_PAGES) throw new Error(`its list of nodes has no end`);
    token = page.metadata?._continue === '' ? undefined : page.metadata?._continue;
    version = page.metadata?.resourceVersion ?? '';
  } while (token !== undefined);
  sink.listed(nodes);
  return version;
};

/** Resolves with the version to go on from, or undefined when a list is needed. Rejects when the server cannot be reached. */
const watch = async (api: KubeApi, from: string, sink: NodeSink, signal: AbortSignal): Promise<string | undefined> => {
  const { Watch } = await import('@kubernetes/client-node');
  return new Promise((resolve, reject) => {
    let version: string | undefined = from;
    let heard = false;
    const onEvent = (phase: string, object: V1Node & { code?: number }) => {
      heard = true;
      if (phase === 'ERROR') version = undefined;
      else if (version !== undefined) version = object.metadata?.resourceVersion ?? version;
      if (phase === 'ADDED' || phase === 'MODIFIED') sink.changed(object);
      if (phase === 'DELETED') sink.deleted(object.metadata?.name ?? '');
    };
    const onEnd = (error: unknown) => {
      signal.removeEventListener('abort', stop);
      const status = (error as { statusCode?: number } | null)?.statusCode;
      if (status === 410) return resolve(undefined);
      // A quiet watch is cut off by the client after a while; that is no failure.
      if (error === null || error === undefined || heard || isTimeout(error)) return resolve(version);
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    let running: AbortController | undefined;
    const stop = () => running?.abort();
    signal.addEventListener('abort', stop, { once: true });
    const query = { allowWatchBookmarks: true, resourceVersion: from, timeoutSeconds: 290 };
    new Watch(api.config).watch('/api/v1/nodes', query, onEvent, onEnd).then((controller) => {
      running = controller;
      if (signal.aborted) stop();
    }, reject);
  });
};

const isTimeout = (error: unknown): boolean => (error as { name?: string }).name === 'TimeoutError';
