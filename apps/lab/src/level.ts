import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { codeOf, PATH } from './processes.js';

/** What this machine lets the lab use, best first. */
export type NetworkLevel = 'root' | 'user-wireguard' | 'user-tun' | 'user-veth' | 'in-process';

export interface Network {
  readonly level: NetworkLevel;
  /** One line for people: what is real. */
  readonly real: string;
  /** What is missing compared with the best level; empty when nothing is. */
  readonly missing: string;
  readonly encrypted: boolean;
}

const canOpenTun = (): boolean => {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
    return true;
  } catch (cause) {
    if (codeOf(cause) !== undefined) return false; // absent, or root's only
    throw cause;
  }
};

const succeeds = (argv: readonly string[]): boolean =>
  spawnSync(argv[0]!, argv.slice(1), { stdio: 'ignore', env: { ...process.env, PATH } }).status === 0;

const inUserNamespace = (script: string): boolean =>
  succeeds(['unshare', '--user', '--map-root-user', '--net', '--mount', '--', 'sh', '-c', script]);

/** Tries, rather than reads versions: the kernel's answer is the only one that counts. */
export const detectNetwork = (): Network => {
  if (process.getuid?.() === 0 && succeeds(['unshare', '--net', '--mount', '--', 'true']))
    return { level: 'root', real: 'network namespaces, veth and WireGuard, as root', missing: '', encrypted: true };
  if (!inUserNamespace('ip link add d0 type veth peer name d1'))
    return {
      level: 'in-process',
      real: 'nothing',
      missing:
        'user namespaces with veth: hosts of their own need them (see kernel.unprivileged_userns_clone, or run as root)',
      encrypted: false,
    };
  if (inUserNamespace('ip link add d0 type wireguard'))
    return {
      level: 'user-wireguard',
      real: 'user namespaces, veth and the kernel’s WireGuard, without root',
      missing: '',
      encrypted: true,
    };
  if (canOpenTun())
    return {
      level: 'user-tun',
      real: 'user namespaces, veth and wireguard-go, without root',
      missing: '',
      encrypted: true,
    };
  return {
    level: 'user-veth',
    real: 'user namespaces and veth, without root',
    missing:
      'WireGuard (/dev/net/tun is root’s only and the kernel has no module): the overlay is routed in the clear, NOT ENCRYPTED',
    encrypted: false,
  };
};
