import type { WgPeer } from '../wireguard/driver.js';
import { canonicalEndpoint } from './cidr.js';
import type { HostNames } from './host-names.js';

const STALE_MS = 180_000;
const TRY_MS = 10_000;

interface Attempt {
  readonly endpoint: string;
  readonly sinceMs: number;
}

/**
 * Which endpoint to give a peer. WireGuard follows a peer that roams, so a working session is never steered; a peer that
 * has no session gets the next endpoint of its list every ten seconds.
 */
export class EndpointChooser {
  private readonly attempts = new Map<string, Attempt>();

  constructor(private readonly names: HostNames) {}

  choose(publicKey: string, endpoints: readonly string[], actual: WgPeer | undefined, nowMs: number, wallMs: number) {
    if (endpoints.length === 0) return undefined;
    const current = actual?.endpoint;
    const alive = actual !== undefined && actual.lastHandshakeMs > 0 && wallMs - actual.lastHandshakeMs < STALE_MS;
    if (alive && current !== undefined) return current;
    // Names are asked only now: whoever has changed its address answers under its name again.
    const list = endpoints.flatMap((endpoint) => canonicalEndpoint(endpoint) ?? this.names.endpoints(endpoint));
    if (list.length === 0) return undefined;
    const attempt = this.attempts.get(publicKey);
    if (attempt !== undefined && list.includes(attempt.endpoint) && nowMs - attempt.sinceMs < TRY_MS)
      return attempt.endpoint;
    const index = attempt === undefined ? 0 : (list.indexOf(attempt.endpoint) + 1) % list.length;
    const endpoint = list[index]!;
    this.attempts.set(publicKey, { endpoint, sinceMs: nowMs });
    return endpoint;
  }
}
