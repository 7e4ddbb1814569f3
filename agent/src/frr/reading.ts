import { z } from 'zod';
import { canonicalAddress, canonicalPrefix } from '../network/cidr.js';

/** A path to a prefix, as the daemon has it. */
export interface LearnedRoute {
  readonly prefix: string;
  readonly nextHop: string;
  /** Which neighbour told of it. */
  readonly from: string;
  readonly localPref: number;
}

export interface Session {
  readonly address: string;
  readonly state: string;
  /** Since when it is in this state. */
  readonly ageMs: number;
  readonly prefixes: number;
}

/** What a daemon knows at one moment. */
export interface DaemonView {
  readonly routes: readonly LearnedRoute[];
  readonly sessions: readonly Session[];
}

const path = z.object({
  valid: z.boolean().optional(),
  peerId: z.string().optional(),
  locPrf: z.number().optional(),
  pathFrom: z.string().optional(),
  nexthops: z
    .array(z.object({ ip: z.string(), used: z.boolean().optional(), scope: z.string().optional() }))
    .optional(),
});
const table = z.object({ routes: z.record(z.string(), z.array(path)).optional() });

const DEFAULT_LOCAL_PREF = 100;

/** `show bgp ipv4|ipv6 unicast json`: what others announced. Not only the best paths: a liar's may look better. */
export const parseRoutes = (text: string): LearnedRoute[] => {
  const { routes = {} } = table.parse(JSON.parse(text));
  return Object.entries(routes).flatMap(([prefix, paths]) =>
    paths.flatMap(({ valid, pathFrom, peerId, locPrf, nexthops = [] }) => {
      if (valid !== true || pathFrom !== 'internal' || peerId === undefined) return [];
      const hops = nexthops.filter((hop) => hop.scope !== 'link-local' && !hop.ip.startsWith('fe80:'));
      const hop = hops.find((h) => h.used === true) ?? hops[0];
      if (hop === undefined) return [];
      const [nextHop, from] = [canonicalAddress(hop.ip), canonicalAddress(peerId)];
      return [{ prefix: canonicalPrefix(prefix), nextHop, from, localPref: locPrf ?? DEFAULT_LOCAL_PREF }];
    }),
  );
};

const family = z.object({
  tableVersion: z.number().optional(),
  peers: z.record(
    z.string(),
    z.object({ state: z.string(), peerUptimeMsec: z.number().optional(), pfxRcd: z.number().optional() }),
  ),
});
const summary = z.object({ ipv4Unicast: family.optional(), ipv6Unicast: family.optional() });

export interface Summary {
  /** Changes whenever a best path does. */
  readonly version: string;
  readonly sessions: readonly Session[];
}

/** `show bgp summary json`. */
export const parseSummary = (text: string): Summary => {
  const { ipv4Unicast: v4, ipv6Unicast: v6 } = summary.parse(JSON.parse(text));
  const sessions = Object.entries(v6?.peers ?? v4?.peers ?? {}).map(([address, peer]) => ({
    address: canonicalAddress(address),
    state: peer.state,
    ageMs: peer.peerUptimeMsec ?? 0,
    prefixes: (peer.pfxRcd ?? 0) + (v6 === undefined ? 0 : (v4?.peers[address]?.pfxRcd ?? 0)),
  }));
  return { version: `${v4?.tableVersion ?? 0}.${v6?.tableVersion ?? 0}`, sessions };
};

const bfd = z.array(z.object({ peer: z.string(), status: z.string() }));

/** `show bfd peers json`: status by address. */
export const parseBfd = (text: string): Map<string, string> =>
  new Map(
    bfd.parse(JSON.parse(text.trim() === '' ? '[]' : text)).map((peer) => [canonicalAddress(peer.peer), peer.status]),
  );
