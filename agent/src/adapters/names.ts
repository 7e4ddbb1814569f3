import { lookup } from 'node:dns/promises';
import type { Names } from '../ports.js';

/** As every program on the node resolves: hosts file first, then DNS, in the order that the system prefers. */
export const systemNames: Names = {
  lookup: async (host) => (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address),
};
