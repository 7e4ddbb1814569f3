import type { BgpItem, PeerItem, VipItem } from '#proto';
import { canonicalAddress, canonicalPrefix, contains } from '../network/cidr.js';
import type { NetworkSection } from '../network/compose.js';
import type { DaemonView, LearnedRoute } from './reading.js';

/**
 * What the nodes' own announcements add to what the platform compiled. The platform's word is what may be: whose a prefix is,
 * and who may hold a virtual IP. Theirs is what is: a node that is not heard of any more does not get packets, and a virtual
 * IP that moved while this node's agent was cut off from the platform is followed.
 */
export interface Word {
  /** Prefixes of peers that were announced and are not any more, by prefix. */
  readonly withdrawn: ReadonlyMap<string, string>;
  /** Prefixes inside the pod range that the platform has not told of yet, by prefix. */
  readonly gained: ReadonlyMap<string, string>;
  /** By virtual IP. Never goes back to a lower epoch. */
  readonly holders: ReadonlyMap<string, { readonly peerId: string; readonly epoch: number }>;
  /** All that is announced and counts, by prefix; what is not announced any more as well, for a while. */
  readonly learned: ReadonlyMap<string, string>;
  /** Since when what was learned is not announced any more, by prefix. */
  readonly missing: ReadonlyMap<string, number>;
}

export const silentWord: Word = {
  withdrawn: new Map(),
  gained: new Map(),
  holders: new Map(),
  learned: new Map(),
  missing: new Map(),
};

/** An epoch travels as local preference, so that every daemon prefers the newest holder by itself. */
const EPOCH_BASE = 1_000;
const LOCAL_PREF_MAX = 0xffff_ffff;
export const localPrefOf = (epoch: number): number => Math.min(EPOCH_BASE + epoch, LOCAL_PREF_MAX);
const epochOf = (localPref: number): number => localPref - EPOCH_BASE;

/** What was not said counts only from a daemon that has been listening to somebody for this long. */
const SETTLED_MS = 10_000;
/**
 * And only after this long: a daemon that crashed is back sooner, and its node has lost nothing. The prefix of a dead node is
 * nowhere else either, so there is nothing to gain by haste.
 */
export const MISSED_MS = 5_000;

interface Known {
  /** Peer by overlay address. */
  readonly byAddress: ReadonlyMap<string, string>;
  /** Peer by each prefix behind it, as the platform compiled it. */
  readonly owner: ReadonlyMap<string, string>;
}

const knownOf = (section: NetworkSection): Known => {
  const overlay = [...section.routes].filter(([, kind]) => kind === 'device').map(([prefix]) => prefix);
  const byAddress = new Map<string, string>();
  const owner = new Map<string, string>();
  for (const peer of section.peers)
    for (const prefix of peer.allowed_ips.map(canonicalPrefix)) {
      if (overlay.some((range) => contains(range, prefix))) byAddress.set(prefix.split('/')[0]!, peer.peer_id);
      else owner.set(prefix, peer.peer_id);
    }
  return { byAddress, owner };
};

const ownPrefixes = (item: BgpItem): string[] =>
  item.bgpd.flatMap((block) =>
    block.lines.flatMap((line) => (line.startsWith('network ') ? [canonicalPrefix(line.split(' ')[1]!)] : [])),
  );

const overlap = (a: string, b: string): boolean => contains(a, b) || contains(b, a);

const keyOf = ({ prefix, nextHop }: LearnedRoute): string => `${prefix} ${nextHop}`;
const byPrefix = (a: LearnedRoute, b: LearnedRoute): number => (keyOf(a) < keyOf(b) ? -1 : 1);

/** The word after a look at the daemon. Pure: the same looks give the same words. */
export const nextWord = (
  before: Word,
  section: NetworkSection,
  item: BgpItem,
  view: DaemonView,
  nowMs: number,
): Word => {
  const known = knownOf(section);
  const settled = view.sessions.some((s) => s.state === 'Established' && s.ageMs >= SETTLED_MS);
  const learned = new Map<string, string>();
  const gained = new Map<string, string>();
  const holders = new Map(before.holders);
  const taken = [...known.owner.keys(), ...ownPrefixes(item)];
  for (const route of [...view.routes].sort(byPrefix)) {
    const peerId = known.byAddress.get(route.nextHop);
    if (peerId === undefined) continue;
    const vip = item.virtual_ips.find((v) => canonicalPrefix(v.address) === route.prefix);
    if (vip !== undefined) {
      const epoch = epochOf(route.localPref);
      if (!vip.candidates.includes(peerId) || epoch < 1 || !mayTell(item, known, route)) continue;
      learned.set(route.prefix, peerId);
      if (epoch > (holders.get(vip.vip_id)?.epoch ?? 0)) holders.set(vip.vip_id, { peerId, epoch });
    } else if (known.owner.get(route.prefix) === peerId) learned.set(route.prefix, peerId);
    else if (mayTell(item, known, route) && mayGain(item, route.prefix, [...taken, ...gained.keys()])) {
      gained.set(route.prefix, peerId);
      learned.set(route.prefix, peerId);
    }
  }
  return {
    gained: settled ? gained : kept(before, gained, taken),
    holders,
    ...withheld(before, known, learned, settled, nowMs),
  };
};

/**
 * A node speaks for itself; reflectors pass on what others say. Else one that is no candidate could say of another that it
 * holds a virtual IP, by an epoch that never comes.
 */
const mayTell = (item: BgpItem, { byAddress }: Known, { nextHop, from }: LearnedRoute): boolean => {
  if (byAddress.get(from) === byAddress.get(nextHop)) return true;
  const neighbour = item.neighbors.find(({ address }) => canonicalAddress(address) === from);
  return item.role !== 'peer' && neighbour !== undefined && neighbour.client !== true;
};

const mayGain = (item: BgpItem, prefix: string, taken: readonly string[]): boolean =>
  item.pod_prefix !== null && contains(item.pod_prefix, prefix) && !taken.some((other) => overlap(other, prefix));

/** While it is unclear who is heard, what was gained stays, unless it is somebody's by now. */
const kept = (before: Word, gained: ReadonlyMap<string, string>, taken: readonly string[]): Map<string, string> => {
  const result = new Map(gained);
  for (const [prefix, peerId] of before.gained)
    if (![...taken, ...result.keys()].some((other) => overlap(other, prefix))) result.set(prefix, peerId);
  return result;
};

const withheld = (
  before: Word,
  { owner }: Known,
  announced: ReadonlyMap<string, string>,
  settled: boolean,
  nowMs: number,
): Pick<Word, 'withdrawn' | 'learned' | 'missing'> => {
  const still = ([prefix, peerId]: readonly [string, string]) => owner.get(prefix) === peerId && !announced.has(prefix);
  const withdrawn = new Map([...before.withdrawn].filter(still));
  const learned = new Map(announced);
  const missing = new Map<string, number>();
  for (const [prefix, peerId] of [...before.learned].filter(still)) {
    const since = settled ? (before.missing.get(prefix) ?? nowMs) : nowMs;
    if (nowMs - since >= MISSED_MS) withdrawn.set(prefix, peerId);
    else {
      missing.set(prefix, since);
      learned.set(prefix, peerId);
    }
  }
  return { withdrawn, learned, missing };
};

/** Another life of the daemon: it has to hear of everything anew before its silence means anything. */
export const forgotten = (before: Word): Word => ({
  ...before,
  learned: new Map(),
  missing: new Map(),
});

/** The section as it counts with what was learned. The same peer object where nothing was. */
export const sectionWith = (section: NetworkSection, word: Word): NetworkSection => {
  const { withdrawn, gained } = word;
  if (withdrawn.size === 0 && gained.size === 0) return section;
  const peers = section.peers.map((peer) => peerWith(peer, withdrawn, gained));
  // Packets to what was withdrawn still go to the device, which drops them: the node's default route is not a way there.
  const routes = new Map([...section.routes, ...[...withdrawn.keys()].map((prefix) => [prefix, 'device'] as const)]);
  return { ...section, peers, routes };
};

const peerWith = (peer: PeerItem, withdrawn: Word['withdrawn'], gained: Word['gained']): PeerItem => {
  const more = [...gained].filter(([, id]) => id === peer.peer_id).map(([prefix]) => prefix);
  const rest = peer.allowed_ips.filter((prefix) => withdrawn.get(canonicalPrefix(prefix)) !== peer.peer_id);
  if (more.length === 0 && rest.length === peer.allowed_ips.length) return peer;
  return { ...peer, allowed_ips: [...rest, ...more] };
};

/** A virtual IP as it counts: by the highest epoch that this node has heard of, from whomever. */
export const vipWith = (
  vip: VipItem,
  section: NetworkSection,
  word: Word,
  holds: (vip: VipItem) => boolean,
): VipItem => {
  const heard = word.holders.get(vip.vip_id);
  if (heard === undefined || heard.epoch <= vip.epoch || holds(vip)) return vip;
  if (!section.peers.some((peer) => peer.peer_id === heard.peerId)) return vip;
  return {
    ...vip,
    epoch: heard.epoch,
    holder_peer_id: heard.peerId,
    route_peer_id: heard.peerId,
    role: vip.role === 'holder' ? 'candidate' : vip.role,
    release_after_move: false,
  };
};

export const vipAddress = (vip: VipItem): string => canonicalAddress(vip.address);
