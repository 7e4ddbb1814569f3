import { connect } from 'node:net';
import { join } from 'node:path';
import { errorCode } from '../adapters/error-code.js';
import type { WgChange, WgState, WireGuardDriver } from './driver.js';
import { PeerBlocks } from './peer-blocks.js';
import { checkErrno, encodeSet } from './uapi-codec.js';
import type { WireGuardGo } from './wireguard-go.js';

export const UAPI_DIR = '/var/run/wireguard';
const TIMEOUT_MS = 5_000;

/** One request over a WireGuard control socket. Rejects when nobody answers. */
export const uapiRequest = (socketPath: string, request: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let answer = '';
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${socketPath} does not answer`)));
    socket.once('connect', () => socket.write(request));
    socket.on('data', (text: string) => {
      answer += text;
      if (!answer.endsWith('\n\n')) return;
      resolve(answer);
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${socketPath} closed before it answered`)));
  });

/** WireGuard in user space, spoken to over its socket: 0.4-0.8 ms per change whatever the number of peers. */
export class UapiDriver implements WireGuardDriver {
  readonly kind = 'uapi';
  readonly sharedDevice = false;
  private readonly blocks = new Map<string, PeerBlocks>();

  constructor(
    private readonly daemon: WireGuardGo,
    private readonly folder = UAPI_DIR,
  ) {}

  device(name: string): string {
    return name;
  }

  async ensure(name: string): Promise<void> {
    await this.daemon.ensure(name, async () => (await this.read(name)) !== undefined);
  }

  async read(name: string): Promise<WgState | undefined> {
    try {
      const answer = await uapiRequest(this.socket(name), 'get=1\n\n');
      let blocks = this.blocks.get(name);
      if (blocks === undefined) this.blocks.set(name, (blocks = new PeerBlocks()));
      return blocks.decode(answer);
    } catch (error) {
      const code = errorCode(error);
      // Reset: the daemon died while it was being asked, and is about to be gone.
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code ?? '')) return undefined;
      throw error;
    }
  }

  async write(name: string, change: WgChange): Promise<void> {
    checkErrno(await uapiRequest(this.socket(name), encodeSet(change)));
  }

  async remove(name: string): Promise<void> {
    this.blocks.delete(name);
    await this.daemon.stop(name);
  }

  onLost(listener: (name: string) => void): void {
    this.daemon.onExit(listener);
  }

  private socket(name: string): string {
    return join(this.folder, `${name}.sock`);
  }
}
