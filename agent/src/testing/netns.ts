import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { systemProcesses } from '../adapters/processes.js';
import type { Processes } from '../ports.js';

/** Empty when real WireGuard can be used here; else why not. */
export const missingForReal = async (): Promise<string> => {
  if (process.getuid?.() !== 0) return 'not root';
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  if ((await systemProcesses.run('wireguard-go', ['--version'])).code === null) return 'wireguard-go is not installed';
  if ((await systemProcesses.run('wg', ['--version'])).code !== 0) return 'wireguard-tools are not installed';
  const name = `drv-${randomBytes(3).toString('hex')}`;
  if ((await systemProcesses.run('ip', ['netns', 'add', name])).code !== 0) return 'network namespaces cannot be made';
  await systemProcesses.run('ip', ['netns', 'del', name]);
  return '';
};

/** Loud where something is missing; a failure where CI demands the real thing. */
export const realOrExplain = (missing: string, what: string): boolean => {
  if (missing === '') return true;
  if (process.env['DROVER_REQUIRE_REAL'] === '1') throw new Error(`${what} cannot run: ${missing}`);
  process.stderr.write(`\n*** NOT TESTED: ${what}: ${missing}\n\n`);
  return false;
};

export interface Netns {
  readonly name: string;
  readonly processes: Processes;
}

const ip = async (...args: string[]): Promise<void> => {
  const result = await systemProcesses.run('ip', args);
  if (result.code !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr}`);
};

/** Everything runs inside the namespace; `ip netns exec` becomes the program, so pids stay true. */
const inside = (name: string): Processes => ({
  ...systemProcesses,
  run: (command, args, input, limitMs) =>
    systemProcesses.run('ip', ['netns', 'exec', name, command, ...args], input, limitMs),
  spawnDetached: (command, args, options) =>
    systemProcesses.spawnDetached('ip', ['netns', 'exec', name, command, ...args], options),
  openPipe: (command, args, handlers) =>
    systemProcesses.openPipe('ip', ['netns', 'exec', name, command, ...args], handlers),
});

/** Namespaces joined by one bridge; node `i` has the underlay address fd99::<i+1>. */
export const makeNetwork = async (count: number): Promise<{ nodes: Netns[]; remove(): Promise<void> }> => {
  const id = randomBytes(3).toString('hex');
  const hub = `da${id}-sw`;
  await ip('netns', 'add', hub);
  await ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
  await ip('-n', hub, 'link', 'set', 'br0', 'up');
  const nodes: Netns[] = [];
  for (let i = 0; i < count; i++) {
    const name = `da${id}-${i}`;
    await ip('netns', 'add', name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    await ip('-n', hub, 'link', 'add', `p${i}`, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', name);
    await ip('-n', hub, 'link', 'set', `p${i}`, 'master', 'br0', 'up');
    await ip('-n', name, 'link', 'set', 'veth0', 'up');
    await ip('-n', name, 'addr', 'add', `fd99::${i + 1}/64`, 'dev', 'veth0', 'nodad');
    nodes.push({ name, processes: inside(name) });
  }
  const remove = async () => {
    for (const name of [hub, ...nodes.map((n) => n.name)]) await ip('netns', 'del', name);
  };
  return { nodes, remove };
};
