import { refusal, type Refusal } from '#kernel';
import { contains, formatCidr, mustCidr, network, overlaps, parseCidr, type Cidr } from '../ip.js';

/** A prefix that is somebody's, in words. */
export interface Named {
  readonly what: string;
  readonly cidr: Cidr;
}

export type CheckedLan =
  | { readonly kind: 'ok'; readonly subnets: readonly string[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const FIELD = 'lan_subnets';
const MAX = 32;
/** Larger ones would draw in what belongs to nobody here; that is no LAN but a way out. */
const SHORTEST = { 4: 8, 6: 16 } as const;
const SPECIAL: readonly Named[] = [
  ['0.0.0.0/8', 'the unspecified range'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/3', 'multicast and reserved addresses'],
  ['::/127', 'loopback'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast addresses'],
].map(([cidr, what]) => ({ cidr: mustCidr(cidr!), what: what! }));

/** LANs behind one peer: prefixes that nobody else has, and that do not overlap each other. */
export const checkLan = (texts: readonly string[], used: readonly Named[]): CheckedLan => {
  if (texts.length > MAX)
    return refused('too_many', 422, `at most ${MAX} prefixes stand behind one peer`, 'join neighbouring ones');
  const taken = [...SPECIAL, ...used];
  for (const text of texts) {
    const cidr = parseCidr(text);
    const problem = cidr === undefined ? malformed(text) : (misshapen(cidr, text) ?? conflict(cidr, text, taken));
    if (problem !== undefined) return problem;
    taken.push({ what: `${text} of the same list`, cidr: cidr! });
  }
  return { kind: 'ok', subnets: texts.map((text) => formatCidr(mustCidr(text))).sort() };
};

const refused = (code: string, status: 409 | 422, message: string, hint: string): CheckedLan => ({
  kind: 'refused',
  refusal: refusal(status, `lan_subnet_${code}`, `${FIELD}: ${message}`, { field: FIELD, hint }),
});

const malformed = (text: string) => refused('invalid', 422, `${text} is not a prefix`, 'write it as 192.168.10.0/24');

const misshapen = (cidr: Cidr, text: string): CheckedLan | undefined => {
  const clean = network(cidr);
  if (clean.value !== cidr.value)
    return refused('invalid', 422, `${text} has host bits set`, `use ${formatCidr(clean)}`);
  const shortest = SHORTEST[cidr.family];
  return cidr.length >= shortest
    ? undefined
    : refused('invalid', 422, `${text} is too large for a LAN`, `use a length of ${shortest} or more`);
};

const conflict = (cidr: Cidr, text: string, taken: readonly Named[]): CheckedLan | undefined => {
  const other = taken.find((one) => overlaps(one.cidr, cidr));
  if (other === undefined) return undefined;
  return refused('overlap', 409, `${text} overlaps ${other.what} (${formatCidr(other.cidr)})`, hintFor(cidr, other));
};

const hintFor = (cidr: Cidr, other: Named): string => {
  const beside = without(cidr, other.cidr).map(formatCidr);
  return beside.length === 0
    ? 'one of the two has to be renumbered, or left out'
    : `what is left without it: ${beside.join(', ')}`;
};

/** The parts of a prefix beside one that lies inside it, largest first; none when nothing is left. */
export const without = (whole: Cidr, part: Cidr): Cidr[] => {
  if (!contains(whole, part)) return [];
  const bits = whole.family === 4 ? 32 : 128;
  const left: Cidr[] = [];
  for (let length = whole.length + 1; length <= part.length; length++) {
    const half = 1n << BigInt(bits - length);
    left.push({ family: whole.family, length, value: network({ ...part, length }).value ^ half });
  }
  return left;
};
