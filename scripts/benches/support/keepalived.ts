import { spawnSync, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../../../apps/lab/src/lab.js';
import { PATH, sleep, until } from '../../../apps/lab/src/processes.js';

export const HOSTS = ['vrrp-1', 'vrrp-2'] as const;

/** Two virtual routers on the same pair: the advertisement interval of the box, and the one of our beat. */
export const ROUTERS = [
  { id: 51, advertS: 1, address: 'fd77::f51' },
  { id: 52, advertS: 0.2, address: 'fd77::f52' },
] as const;

export const isThere = (): boolean =>
  spawnSync('sh', ['-c', 'command -v keepalived'], { env: { ...process.env, PATH } }).status === 0;

/** High and close priorities keep VRRP's skew (up to one interval) out of the comparison; nobody takes back. */
const configOf = (priority: number): string =>
  ROUTERS.map(
    ({ id, advertS, address }) => `vrrp_instance v${id} {
  state BACKUP
  interface eth0
  virtual_router_id ${id}
  priority ${priority}
  advert_int ${advertS}
  nopreempt
  virtual_ipaddress {
    ${address}/128
  }
}
`,
  ).join('');

/** keepalived on two machines of the lab, on their underlay: VRRP needs multicast, which WireGuard does not carry. */
export class Keepalived {
  private readonly children = new Map<string, ChildProcess>();

  constructor(private readonly lab: Lab) {}

  async start(): Promise<void> {
    for (const [n, host] of HOSTS.entries()) this.run(host, 254 - n);
    await this.settled();
  }

  /** Who holds both addresses; undefined while they are not on one machine. */
  async holder(): Promise<string | undefined> {
    for (const host of HOSTS) {
      const { stdout } = await this.lab.exec(host, ['ip', '-6', 'addr', 'show', 'dev', 'eth0']);
      if (ROUTERS.every(({ address }) => stdout.includes(address))) return host;
    }
    return undefined;
  }

  /** Link and power go at once, as for ours. Answers who held. */
  async crash(): Promise<string> {
    const host = (await this.holder())!;
    await this.lab.host(host).cutLink();
    await this.lab.kill9Host(host);
    return host;
  }

  async restore(host: string): Promise<void> {
    await this.lab.addHost(host);
    this.run(host, 254 - HOSTS.findIndex((name) => name === host));
    await this.settled();
  }

  private async settled(): Promise<void> {
    await until(
      'keepalived holds both addresses on one machine',
      async () => (await this.holder()) !== undefined,
      30_000,
      200,
    );
    // A backup has to have heard advertisements before it can miss them.
    await sleep(2_500);
  }

  private run(host: string, priority: number): void {
    const file = join(this.lab.dir, `${host}.conf`);
    writeFileSync(file, `global_defs {\n  router_id ${host}\n  vrrp_version 3\n}\n${configOf(priority)}`, {
      mode: 0o644,
    });
    const pids = ['-p', `/run/${host}.pid`, '-r', `/run/${host}-vrrp.pid`];
    const child = this.lab.spawn(host, ['keepalived', '-n', '-P', '-l', '-f', file, ...pids]);
    for (const stream of [child.stdout, child.stderr]) stream?.resume();
    this.children.set(host, child);
  }
}
