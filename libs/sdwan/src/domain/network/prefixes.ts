import {
  accept,
  assertNever,
  nothing,
  refusal,
  reject,
  sha256Hex,
  type Decider,
  type EventOf,
  type Refusal,
} from '#kernel';
import { contains, formatCidr, mustCidr, network, nth, overlaps, parseCidr, sizeOf, type Cidr } from '../ip.js';
import { LanClaimed, PrefixClaimed, PrefixReleased } from './events.js';
import { checkLan, type Named } from './lan.js';

/**
 * The account's prefixes, on the account's stream: every network's /64, IPv4 range, pod prefix and handle. Allocation
 * happens inside the decision, so that two racing networks cannot get the same one.
 */
export interface PrefixClaim {
  readonly handle: string;
  readonly cidr_64: string;
  readonly cidr_v4: string;
  readonly pod_subnet_prefix: string | null;
}
export interface LanClaim {
  readonly networkId: string;
  readonly subnets: readonly string[];
}
export interface PrefixState {
  readonly claims: ReadonlyMap<string, PrefixClaim>;
  /** By peer. */
  readonly lans: ReadonlyMap<string, LanClaim>;
}
export type PrefixCommand =
  | {
      readonly kind: 'claim';
      readonly accountId: string;
      readonly networkId: string;
      readonly podSubnetPrefix: string | null;
    }
  | { readonly kind: 'change_pod_prefix'; readonly networkId: string; readonly podSubnetPrefix: string | null }
  | {
      readonly kind: 'claim_lan';
      readonly networkId: string;
      readonly peerId: string;
      readonly subnets: readonly string[];
    }
  | { readonly kind: 'release'; readonly networkId: string };
export type PrefixEvent = EventOf<typeof PrefixClaimed | typeof PrefixReleased | typeof LanClaimed>;

const OVERLAY_V4 = mustCidr('100.64.0.0/10');
const V4_LENGTH = 20;
/** What K3s gives to Services unless told otherwise; a pod prefix over it would swallow them. */
const SERVICES: readonly Named[] = ['10.43.0.0/16', 'fd00:43::/112'].map((cidr) => ({
  what: "Kubernetes' service range",
  cidr: mustCidr(cidr),
}));

export const handleOf = (networkId: string): string => sha256Hex(networkId).slice(0, 6);

/** The account's ULA /48: `fd` and 40 bits from a hash of its id (RFC 4193). */
export const accountPrefix = (accountId: string): Cidr => {
  const global = BigInt(`0x${sha256Hex(`ula|${accountId}`).slice(0, 10)}`);
  return { family: 6, value: (0xfdn << 120n) | (global << 80n), length: 48 };
};

export const prefixDecider: Decider<PrefixState, PrefixCommand, PrefixEvent> = {
  initial: { claims: new Map(), lans: new Map() },
  evolve(state, event) {
    if (event.type === LanClaimed.type) {
      const { network_id: networkId, peer_id, subnets } = event.data as EventOf<typeof LanClaimed>['data'];
      const lans = new Map(state.lans);
      if (subnets.length === 0) lans.delete(peer_id);
      else lans.set(peer_id, { networkId, subnets });
      return { ...state, lans };
    }
    const claims = new Map(state.claims);
    if (event.type === PrefixClaimed.type) {
      const { network_id, ...claim } = event.data as EventOf<typeof PrefixClaimed>['data'];
      claims.set(network_id, claim);
    } else if (event.type === PrefixReleased.type) claims.delete(event.data.network_id);
    // The account's stream holds other contexts' claims too; they are none of this decider's business.
    else return state;
    return { ...state, claims };
  },
  decide(command, state) {
    switch (command.kind) {
      case 'claim':
        return claim(command, state);
      case 'change_pod_prefix':
        return changePodPrefix(command, state);
      case 'claim_lan':
        return claimLan(command, state);
      case 'release':
        return state.claims.has(command.networkId)
          ? accept(PrefixReleased({ network_id: command.networkId as `sdwan_network-${string}` }))
          : nothing('not_claimed');
      default:
        return assertNever(command);
    }
  },
};

const claimLan = (command: Extract<PrefixCommand, { kind: 'claim_lan' }>, state: PrefixState) => {
  const { networkId, peerId, subnets } = command;
  const others = new Map([...state.lans].filter(([id]) => id !== peerId));
  const used = [...state.claims.values()].flatMap(named);
  const checked = checkLan(subnets, [...used, ...namedLans(others), ...SERVICES]);
  if (checked.kind === 'refused') return reject(checked.refusal);
  if (checked.subnets.join() === (state.lans.get(peerId)?.subnets ?? []).join()) return nothing('unchanged');
  return accept(
    LanClaimed({
      network_id: networkId as `sdwan_network-${string}`,
      peer_id: peerId as `sdwan_peer-${string}`,
      subnets: [...checked.subnets],
    }),
  );
};

const namedLans = (lans: PrefixState['lans']): Named[] =>
  [...lans].flatMap(([peerId, { subnets }]) =>
    subnets.map((text) => ({ what: `the LAN behind ${peerId}`, cidr: mustCidr(text) })),
  );

const claim = (command: Extract<PrefixCommand, { kind: 'claim' }>, state: PrefixState) => {
  if (state.claims.has(command.networkId)) return nothing('already_claimed');
  const claims = [...state.claims.values()];
  const handle = handleOf(command.networkId);
  if (claims.some((other) => other.handle === handle))
    return reject(refusal(409, 'handle_taken', `handle ${handle} is taken by another network`, { hint: 'call again' }));
  const seed = sha256Hex(command.networkId);
  const cidr64 = allocate64(command.accountId, seed, claims);
  const cidrV4 = allocateV4(seed, claims, namedLans(state.lans));
  if (cidr64 === undefined || cidrV4 === undefined)
    return reject(
      refusal(409, 'prefixes_exhausted', 'every prefix of the account is in use', { hint: 'delete a network' }),
    );
  const pod = checkPodPrefix(command.podSubnetPrefix, [
    ...claims.flatMap(named),
    ...namedLans(state.lans),
    { what: 'this network', cidr: cidr64 },
    { what: 'this network', cidr: cidrV4 },
  ]);
  if (pod.kind === 'refused') return reject(pod.refusal);
  return accept(
    PrefixClaimed({
      network_id: command.networkId as `sdwan_network-${string}`,
      handle,
      cidr_64: formatCidr(cidr64),
      cidr_v4: formatCidr(cidrV4),
      pod_subnet_prefix: pod.value,
    }),
  );
};

const changePodPrefix = (command: Extract<PrefixCommand, { kind: 'change_pod_prefix' }>, state: PrefixState) => {
  const own = state.claims.get(command.networkId);
  if (own === undefined)
    return reject(refusal(404, 'network_not_found', `no network ${command.networkId}`, { field: 'network_id' }));
  const others = [...state.claims].filter(([id]) => id !== command.networkId).flatMap(([, c]) => named(c));
  const pod = checkPodPrefix(command.podSubnetPrefix, [
    ...others,
    ...namedLans(state.lans),
    ...named({ ...own, pod_subnet_prefix: null }),
  ]);
  if (pod.kind === 'refused') return reject(pod.refusal);
  if (pod.value === own.pod_subnet_prefix) return nothing('unchanged');
  return accept(
    PrefixClaimed({ network_id: command.networkId as `sdwan_network-${string}`, ...own, pod_subnet_prefix: pod.value }),
  );
};

const allocate64 = (accountId: string, seed: string, claims: readonly PrefixClaim[]): Cidr | undefined => {
  const taken = new Set(claims.map((c) => c.cidr_64));
  const base = accountPrefix(accountId);
  const start = parseInt(seed.slice(6, 10), 16);
  for (let i = 0; i < 65_536; i++) {
    const cidr: Cidr = { family: 6, value: base.value | (BigInt((start + i) % 65_536) << 64n), length: 64 };
    if (!taken.has(formatCidr(cidr))) return cidr;
  }
  return undefined;
};

const allocateV4 = (seed: string, claims: readonly PrefixClaim[], lans: readonly Named[]): Cidr | undefined => {
  const taken = claims
    .flatMap((c) => [c.cidr_v4, ...(c.pod_subnet_prefix === null ? [] : [c.pod_subnet_prefix])])
    .map(mustCidr)
    .concat(lans.map((lan) => lan.cidr));
  const count = 2 ** (V4_LENGTH - OVERLAY_V4.length);
  const start = parseInt(seed.slice(10, 14), 16);
  for (let i = 0; i < count; i++) {
    const index = BigInt((start + i) % count);
    const cidr: Cidr = { ...nth(OVERLAY_V4, index << BigInt(32 - V4_LENGTH)), length: V4_LENGTH };
    if (!taken.some((other) => overlaps(other, cidr))) return cidr;
  }
  return undefined;
};

const named = (c: PrefixClaim): Named[] => [
  { what: `the /64 of network ${c.handle}`, cidr: mustCidr(c.cidr_64) },
  { what: `the IPv4 range of network ${c.handle}`, cidr: mustCidr(c.cidr_v4) },
  ...(c.pod_subnet_prefix === null
    ? []
    : [{ what: `pod_subnet_prefix of network ${c.handle}`, cidr: mustCidr(c.pod_subnet_prefix) }]),
];

type Checked =
  { readonly kind: 'ok'; readonly value: string | null } | { readonly kind: 'refused'; readonly refusal: Refusal };

const checkPodPrefix = (text: string | null, used: readonly Named[]): Checked => {
  if (text === null) return { kind: 'ok', value: null };
  const bad = (message: string, hint: string): Checked => ({
    kind: 'refused',
    refusal: refusal(422, 'pod_subnet_prefix_invalid', `pod_subnet_prefix: ${message}`, {
      field: 'pod_subnet_prefix',
      hint,
    }),
  });
  const cidr = parseCidr(text);
  if (cidr === undefined) return bad(`${text} is not a prefix`, 'write it as 10.42.0.0/16');
  const clean = network(cidr);
  if (clean.value !== cidr.value) return bad(`${text} has host bits set`, `use ${formatCidr(clean)}`);
  // Of IPv6 kube-controller-manager refuses a range of more than 65,536 nodes (clusterSubnetMaxDiff in its cidrset).
  const [min, max] = cidr.family === 4 ? [8, 23] : [48, 63];
  if (cidr.length < min || cidr.length > max)
    return bad(
      `/${cidr.length} is out of bounds: each node takes a ${cidr.family === 4 ? '/24' : '/64'} of it`,
      `use a length from ${min} to ${max}`,
    );
  const all = [...used, ...SERVICES];
  const conflict = all.find((other) => overlaps(other.cidr, cidr));
  if (conflict === undefined) return { kind: 'ok', value: formatCidr(clean) };
  return {
    kind: 'refused',
    refusal: refusal(
      409,
      'pod_subnet_prefix_overlap',
      `pod_subnet_prefix ${text} overlaps ${conflict.what} (${formatCidr(conflict.cidr)})`,
      {
        field: 'pod_subnet_prefix',
        hint: nearestFree(cidr, all),
      },
    ),
  };
};

/** Of prefixes that the world routes only what is around the wanted one can be the operator's as well. */
const privateBlockOf = (wanted: Cidr): Cidr => {
  const block = mustCidr(wanted.family === 4 ? '10.0.0.0/8' : 'fd00::/8');
  return wanted.family === 4 || contains(block, wanted) ? block : { ...wanted, length: Math.min(wanted.length, 48) };
};

/** The free prefix of the same length that is closest after the wanted one, inside the same private block. */
const nearestFree = (wanted: Cidr, used: readonly Named[]): string => {
  const block = privateBlockOf(wanted);
  const from: Cidr = contains(block, wanted)
    ? wanted
    : { ...mustCidr('10.42.0.0/16'), length: Math.max(wanted.length, 8) };
  const step = sizeOf(wanted);
  for (let i = 1n; i < 4096n; i++) {
    const size = sizeOf(block);
    const offset = (from.value - network(block).value + i * step) % size;
    const cidr: Cidr = { ...nth(block, offset), length: wanted.length };
    if (contains(block, cidr) && !used.some((other) => overlaps(other.cidr, cidr)))
      return `${formatCidr(cidr)} is free`;
  }
  return 'no prefix of this length is free nearby';
};
