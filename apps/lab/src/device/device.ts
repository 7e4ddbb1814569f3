import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { firstLine } from '../processes.js';

interface LabOfDevice {
  readonly plainRoutes: boolean;
  spawn(name: string, argv: readonly string[]): ChildProcess;
}

/** The operator's workstation on the overlay: the device client runs in its namespace for as long as the lab. */
export class Device {
  private constructor(readonly addresses: readonly string[]) {}

  static async join(lab: LabOfDevice, host: string, bootstrapUrl: string, root: string): Promise<Device> {
    const main = join(root, 'dist/apps/lab/src/device/main.js');
    const child = lab.spawn(host, [process.execPath, main, lab.plainRoutes ? 'plain' : 'wireguard', host]);
    child.stdin?.write(`${bootstrapUrl}\n`);
    const [word, ...addresses] = (await firstLine(child, 'the workstation’s device client')).split(' ');
    if (word !== 'ready') throw new Error(`the workstation's device client said ${String(word)}`);
    child.stdout?.resume();
    return new Device(addresses);
  }
}
