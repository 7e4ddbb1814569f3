import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFiles } from '../adapters/files.js';
import type { Processes } from '../ports.js';
import { SystemdManager } from '../services/systemd-manager.js';
import { Downs, fullDisk, whyDown } from './causes.js';

const MIB = 1024 * 1024;
const systemd = (shown: string) =>
  new SystemdManager({
    files: systemFiles,
    processes: { run: async () => ({ code: 0, stdout: shown, stderr: '' }) } as unknown as Processes,
  });
const show = (active: string, sub: string, result: string) =>
  systemd(`ActiveState=${active}\nSubState=${sub}\nResult=${result}\n`);

it('says of a unit that fails again and again that it does not run, though systemd calls it activating', async () => {
  expect(await whyDown(show('activating', 'auto-restart', 'exit-code'), 'k3s')).toBe(
    'k3s does not run: activating (auto-restart, exit-code); journalctl -u k3s says why; it is started again by itself',
  );
  expect(await whyDown(show('failed', 'failed', 'oom-kill'), 'k3s-agent')).toContain('failed (failed, oom-kill)');
});

it('says nothing of a unit that runs, or is about to', async () => {
  expect(await whyDown(show('active', 'running', 'success'), 'k3s')).toBeUndefined();
  expect(await whyDown(show('activating', 'start', 'success'), 'k3s')).toBeUndefined();
});

it('names the disk that is full, how full, and what to do, until there is more room than a moment’s', async () => {
  const disk = (freeBytes: number, totalBytes = 20_000 * MIB) => ({ space: async () => ({ freeBytes, totalBytes }) });
  const paths = ['/var/lib/rancher/k3s', '/var/lib/drover-agent'];
  expect(await fullDisk(disk(3 * MIB), paths)).toBe(
    'the disk of /var/lib/rancher/k3s is full (3 of 20000 MiB free): make room, K3s and the agent go on by themselves then',
  );
  expect(await fullDisk(disk(900 * MIB), paths, true)).toBeUndefined();
  expect([await fullDisk(disk(100 * MIB), paths), await fullDisk(disk(100 * MIB), paths, true)]).toEqual([
    ...[undefined, expect.stringContaining('100 of 20000')],
  ]);
  expect(await fullDisk(disk(20 * MIB, 100 * MIB), paths)).toBeUndefined();
  const own = {
    space: async (path: string) => ({ freeBytes: path === paths[1] ? 0 : 900 * MIB, totalBytes: 900 * MIB }),
  };
  expect(await fullDisk(own, paths)).toContain('the disk of /var/lib/drover-agent is full');
});

it('asks the file system of the nearest folder that is there', async () => {
  const there = await systemFiles.space(tmpdir());
  expect(there!.totalBytes).toBeGreaterThan(0);
  const below = await systemFiles.space(join(tmpdir(), 'not/there/yet'));
  expect(below!.totalBytes).toBe(there!.totalBytes);
});

it('tells of a service that ends again and again once, with the first reason, until it has stayed up for a while', () => {
  const downs = new Downs();
  const [first, next] = ['down: failed (exit-code)', 'down: activating (auto-restart, exit-code)'];
  expect([downs.judge(undefined, 0), downs.judge(first, 1_000), downs.judge(undefined, 3_000)]).toEqual([
    ...[undefined, first, first],
  ]);
  expect([downs.judge(next, 6_000), downs.last(), downs.judge(undefined, 15_999)]).toEqual([first, first, first]);
  expect([downs.judge('down: inactive (dead)', 16_000), downs.judge(undefined, 26_000), downs.last()]).toEqual([
    ...['down: inactive (dead)', undefined, undefined],
  ]);
});
