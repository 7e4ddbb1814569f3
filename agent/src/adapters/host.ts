import { readFileSync } from 'node:fs';
import { arch, freemem, hostname, loadavg, networkInterfaces, totalmem, uptime } from 'node:os';
import type { HostFacts } from '../ports.js';

const firstLine = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Containers and minimal systems lack these files; an empty id means "unknown" to the platform.
    return '';
  }
};

export const systemHost = (): HostFacts => ({
  hostname: hostname(),
  architecture: arch() === 'x64' ? 'amd64' : arch(),
  bootId: firstLine('/proc/sys/kernel/random/boot_id'),
  machineId: firstLine('/etc/machine-id'),
  memoryBytes: totalmem(),
  load1m: () => loadavg()[0] ?? 0,
  memoryFreeBytes: () => freemem(),
  uptimeMs: () => Math.round(uptime() * 1000),
  underlayAddresses: (except) => {
    const result: string[] = [];
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      if (except.has(name) || name.startsWith('wg-sdwan-') || /^(cni|flannel|veth[0-9a-f]{8}$)/.test(name)) continue;
      for (const a of addresses ?? []) if (!a.internal && !a.address.startsWith('fe80:')) result.push(a.address);
    }
    return result;
  },
});
