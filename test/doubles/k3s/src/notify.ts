import { spawnSync } from 'node:child_process';
import { warn } from './log.js';

/** Where a unit of Type=notify waits for this. Node has no socket of that kind; as root systemd-notify may speak for another. */
export const notifyReady = (): void => {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  const told = spawnSync('systemd-notify', ['--ready', `--pid=${process.pid}`], { encoding: 'utf8' });
  if (told.status !== 0) warn(`systemd-notify: ${told.error?.message ?? told.stderr.trim()}`);
};
