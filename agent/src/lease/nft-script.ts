import { createHash } from 'node:crypto';
import { isV6 } from '../network/cidr.js';

/** One address and for how many milliseconds it may pass. */
export interface FencedAddress {
  readonly address: string;
  readonly forMs: number;
}

/** One table per agent: two agents on one kernel must not take each other's fence down. */
export const leaseTable = (stateDir: string): string =>
  `drover_lease_${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`;

export const setOf = (address: string): string =>
  `h_${createHash('sha256').update(address).digest('hex').slice(0, 12)}`;

/** Marks that say: what was decided at this moment may still be carried out. They go by themselves. */
const ARMED = 'armed';

const family = (address: string) => (isV6(address) ? ('ip6' as const) : ('ip' as const));
const setLine = (table: string, address: string): string =>
  `add set inet ${table} ${setOf(address)} { type ${isV6(address) ? 'ipv6_addr' : 'ipv4_addr'}; flags timeout; }`;

/**
 * The whole fence in one transaction, without a moment without rules, and without a word about who may pass: what is in the
 * sets stays as it is, so that this blocks nobody who holds a lease and lets nobody pass, however late it is carried out. The
 * output rule comes before connection tracking, or a server that only pushes would go on delivering.
 */
export const shapeScript = (table: string, fenced: readonly string[], gone: readonly string[] = []): string => {
  if (fenced.length === 0) return removal(table);
  const chain = (hook: 'input' | 'output', field: 'daddr' | 'saddr') => [
    `add chain inet ${table} ${hook} { type filter hook ${hook} priority -300; policy accept; }`,
    `flush chain inet ${table} ${hook}`,
    ...fenced.map((address) => {
      const match = `${family(address)} ${field}`;
      return `add rule inet ${table} ${hook} ${match} ${address} ${match} != @${setOf(address)} counter drop`;
    }),
  ];
  return [
    `add table inet ${table}`,
    `add set inet ${table} ${ARMED} { type mark; flags timeout; }`,
    ...[...fenced, ...gone].map((address) => setLine(table, address)),
    ...chain('input', 'daddr'),
    ...chain('output', 'saddr'),
    ...gone.map((address) => `delete set inet ${table} ${setOf(address)}`),
    '',
  ].join('\n');
};

const removal = (table: string): string => `add table inet ${table}\ndelete table inet ${table}\n`;

/** The same, with nothing left of what an earlier life allowed. */
export const freshScript = (table: string, fenced: readonly string[]): string =>
  fenced.length === 0 ? removal(table) : removal(table) + shapeScript(table, fenced);

const element = (what: string | number, forMs: number): string => `{ ${what} timeout ${Math.floor(forMs)}ms }`;

export const armLine = (table: string, token: number, forMs: number): string =>
  `add element inet ${table} ${ARMED} ${element(token, forMs)}`;

export const blockLine = (table: string, address: string): string => `flush set inet ${table} ${setOf(address)}`;

/**
 * One line, so one transaction, which the kernel refuses as a whole when the token has run out: a line that hung somewhere on
 * its way opens nothing. Adding an element that is there would not extend it, so the set is emptied first.
 */
export const openLine = (table: string, token: number, { address, forMs }: FencedAddress): string => {
  const set = `inet ${table} ${setOf(address)}`;
  return `delete element inet ${table} ${ARMED} { ${token} }; flush set ${set}; add element ${set} ${element(address, forMs)}`;
};
