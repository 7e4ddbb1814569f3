import { createHash } from 'node:crypto';
import { isV6 } from '../network/cidr.js';

/** One address and for how many milliseconds it may pass; none or less blocks it. */
export interface FencedAddress {
  readonly address: string;
  readonly forMs: number;
}

/** One table per agent: two agents on one kernel must not take each other's fence down. */
export const leaseTable = (stateDir: string): string =>
  `drover_lease_${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`;

export const setOf = (address: string): string =>
  `h_${createHash('sha256').update(address).digest('hex').slice(0, 12)}`;

const family = (address: string) => (isV6(address) ? ('ip6' as const) : ('ip' as const));
const element = ({ address, forMs }: FencedAddress): string => `{ ${address} timeout ${Math.floor(forMs)}ms }`;
const passes = ({ forMs }: FencedAddress): boolean => Math.floor(forMs) > 0;

/**
 * The whole fence in one transaction: an earlier one of the same name is replaced without a moment without rules. The output
 * rule comes before connection tracking, or a server that only pushes would go on delivering. With nothing to fence the
 * table goes away.
 */
export const tableScript = (table: string, fenced: readonly FencedAddress[]): string => {
  const gone = [`add table inet ${table}`, `delete table inet ${table}`];
  if (fenced.length === 0) return `${gone.join('\n')}\n`;
  const sets = fenced.map((f) => {
    const type = isV6(f.address) ? 'ipv6_addr' : 'ipv4_addr';
    const elements = passes(f) ? ` elements = ${element(f)};` : '';
    return `  set ${setOf(f.address)} { type ${type}; flags timeout;${elements} }`;
  });
  const chain = (hook: 'input' | 'output', field: 'daddr' | 'saddr') => [
    `  chain ${hook} {`,
    `    type filter hook ${hook} priority -300; policy accept;`,
    ...fenced.map(({ address }) => {
      const match = `${family(address)} ${field}`;
      return `    ${match} ${address} ${match} != @${setOf(address)} counter drop`;
    }),
    '  }',
  ];
  const body = [...sets, ...chain('input', 'daddr'), ...chain('output', 'saddr')];
  return [...gone, `table inet ${table} {`, ...body, '}', ''].join('\n');
};

/** One line, so one transaction. Adding an element that is there would not extend it, so the set is emptied first. */
export const refreshLine = (table: string, fenced: FencedAddress): string => {
  const set = `inet ${table} ${setOf(fenced.address)}`;
  return `flush set ${set}${passes(fenced) ? `; add element ${set} ${element(fenced)}` : ''}`;
};
