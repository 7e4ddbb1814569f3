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

/** In words, when the file system that K3s writes to has no room left. */
export const fullDisk = async (files: Pick<Files, 'space'>, path: string): Promise<string | undefined> => {
  const space = await files.space(path);
  if (space === undefined || space.freeBytes >= FULL_BYTES) return undefined;
  const [free, total] = [space.freeBytes, space.totalBytes].map((bytes) => Math.floor(bytes / MIB));
  return `the disk of ${path} is full (${free} of ${total} MiB free): make room, K3s goes on by itself then`;
};
