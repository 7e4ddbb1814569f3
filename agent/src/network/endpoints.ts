import type { WgPeer } from '../wireguard/driver.js';
import { canonicalEndpoint } from './cidr.js';
import type { HostNames } from './host-names.js';
import { Unanswered } from './unanswered.js';

const STALE_MS = 180_000;
const TRY_MS = 10_000;

interface Attempt {
  readonly endpoint: string;
  readonly sinceMs: number;
}

/**
 * Which endpoint to give a peer. WireGuard follows a peer that roams, so a working session is never steered; a peer that
 * has no session gets the next endpoint of its list every ten seconds, and one that does not answer is looked for under its
 * name, if it has one.
 */
export class EndpointChooser {
  private readonly attempts = new Map<string, Attempt>();
  private readonly unanswered = new Unanswered();

  constructor(private readonly names: HostNames) {}

  choose(publicKey: string, endpoints: readonly string[], actual: WgPeer | undefined, nowMs: number, wallMs: number) {
    if (endpoints.length === 0) return undefined;
    const current = actual?.endpoint;
    const alive = actual !== undefined && actual.lastHandshakeMs > 0 && wallMs - actual.lastHandshakeMs < STALE_MS;
    if (alive && current !== undefined) return this.underItsName(endpoints, actual, current, nowMs);
    this.unanswered.forget(publicKey);
    // Names are asked only now: whoever has changed its address answers under its name again.
    const list = endpoints.flatMap((endpoint) => canonicalEndpoint(endpoint) ?? this.names.endpoints(endpoint));
    if (list.length === 0) return undefined;
    const tried = this.stillTried(publicKey, list, nowMs);
    if (tried !== undefined) return tried;
    const attempt = this.attempts.get(publicKey);
    const index = attempt === undefined ? 0 : (list.indexOf(attempt.endpoint) + 1) % list.length;
    const endpoint = list[index]!;
    this.attempts.set(publicKey, { endpoint, sinceMs: nowMs });
    return endpoint;
  }

  /** Whoever is not among these is gone: every change of a key would leave something behind. */
  keepOnly(publicKeys: ReadonlySet<string>): void {
    for (const key of this.attempts.keys()) if (!publicKeys.has(key)) this.attempts.delete(key);
    this.unanswered.keepOnly(publicKeys);
  }

  /** Where it is, unless it owes an answer and its name leads elsewhere by now. */
  private underItsName(endpoints: readonly string[], actual: WgPeer, current: string, nowMs: number): string {
    const names = endpoints.filter((endpoint) => canonicalEndpoint(endpoint) === undefined);
    if (names.length === 0 || !this.unanswered.look(actual, nowMs)) return current;
    const list = names.flatMap((name) => this.names.endpoints(name));
    const tried = this.stillTried(actual.publicKey, list, nowMs);
    if (tried !== undefined) return tried;
    const endpoint = list[(list.indexOf(current) + 1) % list.length] ?? current;
    if (endpoint !== current) this.attempts.set(actual.publicKey, { endpoint, sinceMs: nowMs });
    return endpoint;
  }

  private stillTried(publicKey: string, list: readonly string[], nowMs: number): string | undefined {
    const attempt = this.attempts.get(publicKey);
    const isTried = attempt !== undefined && list.includes(attempt.endpoint) && nowMs - attempt.sinceMs < TRY_MS;
    return isTried ? attempt.endpoint : undefined;
  }
}
