import type { Files } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';

/** Below this etcd stops, kubelet evicts every pod, and containerd unpacks no image. */
const FULL_BYTES = 64 * 1024 * 1024;
const MIB = 1024 * 1024;

/** Why a service that should run does not, and where to look; undefined when it runs. */
export const whyDown = async (services: ServiceManager, name: string): Promise<string | undefined> => {
  const { running, detail } = await services.status(name);
  if (running) return undefined;
  // Without systemd the detail names the log.
  const look = services.kind === 'systemd' ? `; journalctl -u ${name} says why` : '';
  return `${name} does not run: ${detail}${look}; it is started again by itself`;
};

/**
 * In words, when a file system that K3s or the agent writes to has no room left. `before`: it was so a moment ago, and what
 * kubelet cleans up is soon filled again.
 */
export const fullDisk = async (
  files: Pick<Files, 'space'>,
  paths: readonly string[],
  before = false,
): Promise<string | undefined> => {
  for (const path of paths) {
    const space = await files.space(path);
    if (space === undefined) continue;
    // Of a small disk of its own a tenth is enough.
    const limit = Math.min(FULL_BYTES, space.totalBytes / 10) * (before ? 2 : 1);
    if (space.freeBytes >= limit) continue;
    const [free, total] = [space.freeBytes, space.totalBytes].map((bytes) => Math.floor(bytes / MIB));
    return `the disk of ${path} is full (${free} of ${total} MiB free): make room, K3s and the agent go on by themselves then`;
  }
  return undefined;
};

/** How long a service must stay up before it counts as up again: one that ends again and again runs for moments in between. */
const SETTLED_MS = 10_000;

/** What is known of a service's being down, so that it is told once for as long as it lasts. */
export class Downs {
  private known: { readonly why: string; readonly seenMs: number } | undefined;

  /** Why it counts as down, by what is seen now. Between two tries the first reason stays: systemd's words for it change. */
  judge(seen: string | undefined, nowMs: number): string | undefined {
    if (seen !== undefined) {
      const why = this.known !== undefined && /activating/.test(seen) ? this.known.why : seen;
      this.known = { why, seenMs: nowMs };
    } else if (this.known !== undefined && nowMs - this.known.seenMs >= SETTLED_MS) this.known = undefined;
    return this.known?.why;
  }

  /** Without a look: it may be that the agent itself has just stopped it. */
  last(): string | undefined {
    return this.known?.why;
  }
}

/** It was started and does not run. Of a runtime that was ready before, its health tells. */
export class RuntimeDown extends Error {
  override readonly name = 'RuntimeDown';
}
