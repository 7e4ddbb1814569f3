import { errorMessage, type Clock, type Log } from '#kernel';
import type { Names } from '../ports.js';
import { canonicalAddress, isV6 } from './cidr.js';

/** A name is asked for again at most so often, while there is a reason to. */
const AGAIN_MS = 10_000;

interface Known {
  addresses: readonly string[];
  askedMs: number;
  asking: boolean;
  problem: string;
}

/** Addresses of the endpoints that are host names. Asking never delays who wants to know: the answer is there the next time. */
export class HostNames {
  private readonly known = new Map<string, Known>();

  constructor(
    private readonly names: Names,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly log: Log,
  ) {}

  /** `host:port` as addresses with that port, as last resolved. Call it only for a peer that does not answer. */
  endpoints(hostPort: string): readonly string[] {
    const at = hostPort.lastIndexOf(':');
    const [host, port] = [hostPort.slice(0, at), hostPort.slice(at + 1)];
    if (at <= 0 || host.includes(':')) return [];
    const known = this.known.get(host) ?? { addresses: [], askedMs: -Infinity, asking: false, problem: '' };
    this.known.set(host, known);
    const now = this.clock.monotonicMs();
    if (!known.asking && now - known.askedMs >= AGAIN_MS) void this.ask(host, known, now);
    return known.addresses.map((address) => (isV6(address) ? `[${address}]:${port}` : `${address}:${port}`));
  }

  private async ask(host: string, known: Known, nowMs: number): Promise<void> {
    known.asking = true;
    known.askedMs = nowMs;
    try {
      const found = [...new Set((await this.names.lookup(host)).map(canonicalAddress))];
      if (found.join() !== known.addresses.join()) this.log.info({ host, addresses: found }, 'endpoint name resolved');
      // An empty answer is no reason to forget where it was.
      if (found.length > 0) known.addresses = found;
      known.problem = '';
    } catch (error) {
      const problem = errorMessage(error);
      if (problem !== known.problem) this.log.warn({ host, error: problem }, 'endpoint name cannot be resolved');
      known.problem = problem;
    } finally {
      known.asking = false;
    }
  }
}
