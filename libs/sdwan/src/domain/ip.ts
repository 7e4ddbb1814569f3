/** Addresses as numbers: parsing, printing (RFC 5952) and overlap of prefixes. Pure and small, so that deciders can use it. */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}
export interface Cidr extends Ip {
  readonly length: number;
}

const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

export const parseIp = (text: string): Ip | undefined => (text.includes(':') ? parseV6(text) : parseV4(text));

const parseV4 = (text: string): Ip | undefined => {
  const parts = text.split('.');
  if (parts.length !== 4 || parts.some((part) => !/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255))
    return undefined;
  return { family: 4, value: parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) };
};

const parseV6 = (text: string): Ip | undefined => {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = groups.reduce((sum, half) => sum + half.length, 0);
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  const fill = halves.length === 2 ? new Array<string>(8 - count).fill('0') : [];
  const all = [...groups[0]!, ...fill, ...(groups[1] ?? [])];
  if (all.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return { family: 6, value: all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n) };
};

export const formatIp = ({ family, value }: Ip): string => {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  const { start, length } = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
};

const longestZeroRun = (groups: readonly number[]): { start: number; length: number } => {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < groups.length; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  return best;
};

/** Undefined for anything that is not ADDRESS/LENGTH; host bits may be set (see `network`). */
export const parseCidr = (text: string): Cidr | undefined => {
  const [address, length, ...rest] = text.split('/');
  if (rest.length > 0 || length === undefined || !/^\d{1,3}$/.test(length)) return undefined;
  const ip = parseIp(address ?? '');
  return ip === undefined || Number(length) > bitsOf(ip.family) ? undefined : { ...ip, length: Number(length) };
};

export const formatCidr = (cidr: Cidr): string => `${formatIp(cidr)}/${cidr.length}`;

/** The prefix with its host bits cleared. */
export const network = (cidr: Cidr): Cidr => {
  const host = BigInt(bitsOf(cidr.family) - cidr.length);
  return { ...cidr, value: (cidr.value >> host) << host };
};

/** How many addresses the prefix spans. */
export const sizeOf = (cidr: Cidr): bigint => 1n << BigInt(bitsOf(cidr.family) - cidr.length);

export const contains = (outer: Cidr, inner: Cidr): boolean =>
  outer.family === inner.family &&
  outer.length <= inner.length &&
  network({ ...inner, length: outer.length }).value === network(outer).value;

export const overlaps = (a: Cidr, b: Cidr): boolean => contains(a, b) || contains(b, a);

/** A prefix that the code itself wrote; throws when it is not one, which is a bug. */
export const mustCidr = (text: string): Cidr => {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`not a prefix: ${text}`);
  return cidr;
};

export const mustIp = (text: string): Ip => {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(`not an address: ${text}`);
  return ip;
};

/** The n-th address of a prefix. */
export const nth = (cidr: Cidr, n: bigint): Ip => ({ family: cidr.family, value: network(cidr).value + n });

/** The prefix of exactly one address. */
export const hostCidr = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;
