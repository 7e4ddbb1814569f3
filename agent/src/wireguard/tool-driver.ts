import { join } from 'node:path';
import { canonicalEndpoint, canonicalPrefix } from '../network/cidr.js';
import type { Files, Processes } from '../ports.js';
import type { WgChange, WgState, WireGuardDriver } from './driver.js';

/** The kernel's WireGuard through `wg` and `ip`. Keys go by a file of mode 0600, never by the command line. */
export class ToolDriver implements WireGuardDriver {
  readonly kind = 'kernel';
  readonly sharedDevice = false;

  constructor(
    private readonly processes: Processes,
    private readonly files: Files,
    private readonly stateDir: string,
  ) {}

  device(name: string): string {
    return name;
  }

  async ensure(name: string): Promise<void> {
    if ((await this.read(name)) !== undefined) return;
    const made = await this.processes.run('ip', ['link', 'add', 'dev', name, 'type', 'wireguard']);
    if (made.code !== 0) throw new Error(`cannot create ${name}: ${made.stderr.trim()}`);
  }

  async read(name: string): Promise<WgState | undefined> {
    const dump = await this.processes.run('wg', ['show', name, 'dump']);
    if (dump.code === null) throw new Error(`cannot run wg: ${dump.stderr.trim()}`);
    if (dump.code !== 0) return undefined;
    const [first, ...rest] = dump.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    return {
      publicKey: first?.[1] === undefined || first[1] === '(none)' ? '' : first[1],
      listenPort: Number(first?.[2] ?? 0),
      peers: rest.map((f) => ({
        publicKey: f[0]!,
        endpoint: f[2] === '(none)' ? undefined : canonicalEndpoint(f[2]!),
        allowedIps: f[3] === '(none)' ? [] : f[3]!.split(',').map(canonicalPrefix),
        lastHandshakeMs: Number(f[4]) * 1000,
        rxBytes: Number(f[5]),
        txBytes: Number(f[6]),
        keepalive: f[7] === 'off' ? 0 : Number(f[7]),
      })),
    };
  }

  async write(name: string, change: WgChange): Promise<void> {
    // wg opens the file itself, and Node's standard input is a socket that cannot be opened.
    const keyFile = join(this.stateDir, 'wireguard', `${name}.set-key`);
    const args = ['set', name];
    if (change.listenPort !== undefined) args.push('listen-port', String(change.listenPort));
    if (change.privateKey !== undefined) args.push('private-key', keyFile);
    for (const peer of change.peers) {
      args.push('peer', peer.publicKey);
      if (peer.remove) args.push('remove');
      if (peer.endpoint !== undefined) args.push('endpoint', peer.endpoint);
      if (peer.keepalive !== undefined) args.push('persistent-keepalive', String(peer.keepalive));
      // This version of wg knows no additive form: the whole list is written, which takes each prefix from its owner.
      if (peer.allowedIps !== undefined) args.push('allowed-ips', peer.allowedIps.join(','));
    }
    if (change.privateKey !== undefined) await this.files.write(keyFile, `${change.privateKey}\n`, 0o600);
    const result = await this.processes.run('wg', args);
    await this.files.remove(keyFile);
    if (result.code !== 0) throw new Error(`wg set ${name} failed: ${result.stderr.trim()}`);
  }

  async remove(name: string): Promise<void> {
    await this.processes.run('ip', ['link', 'del', 'dev', name]);
  }

  onLost(): void {
    // A kernel interface has no process that could die; the periodic read notices a deleted one.
  }
}
