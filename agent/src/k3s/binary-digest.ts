import { errorMessage } from '#kernel';
import type { AgentPorts } from '../ports.js';

/** It is some 70 MB, and whoever puts another file in its place restarts nothing by that. */
const EVERY_MS = 3_600_000;

/** The sha256 of the program that runs, as it lies there. Health waits for nobody: it is read beside, and told when it is known. */
export class BinaryDigest {
  private known: { readonly binary: string; readonly digest: string | undefined; readonly atMs: number } | undefined;
  private reading = false;

  constructor(private readonly ports: Pick<AgentPorts, 'files' | 'clock' | 'log'>) {}

  of(binary: string | undefined): string | undefined {
    if (binary === undefined) return undefined;
    const { known } = this;
    const isOld = known?.binary !== binary || this.ports.clock.monotonicMs() - known.atMs > EVERY_MS;
    if (isOld && !this.reading) void this.read(binary);
    return known?.binary === binary ? known.digest : undefined;
  }

  private async read(binary: string): Promise<void> {
    this.reading = true;
    try {
      const digest = await this.ports.files.digest(binary);
      this.known = { binary, digest, atMs: this.ports.clock.monotonicMs() };
    } catch (error) {
      this.known = { binary, digest: undefined, atMs: this.ports.clock.monotonicMs() };
      this.ports.log.warn({ binary, error: errorMessage(error) }, 'the digest of the k3s program could not be read');
    } finally {
      this.reading = false;
    }
  }
}
