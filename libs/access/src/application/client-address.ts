import { BlockList, isIP } from 'node:net';
import { parseCidr } from '#kernel';

/** Proxies whose word about whom they speak for is taken. */
export interface TrustedProxies {
  has(address: string): boolean;
}

const typeOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

export const trustedProxies = (cidrs: readonly string[]): TrustedProxies => {
  const list = new BlockList();
  for (const { net, bits } of cidrs.map(parseCidr).filter((one) => one !== undefined))
    list.addSubnet(net, bits, typeOf(net));
  return { has: (address) => isIP(address) !== 0 && list.check(address, typeOf(address)) };
};

/** Without what the kernel and proxies put around it: the zone, a port, IPv4 written as IPv6. */
const bare = (text: string): string => {
  const [, inside] = /^\[([^\]]*)\](?::\d+)?$/.exec(text) ?? [];
  const [, v4] = /^(\d+(?:\.\d+){3}):\d+$/.exec(text) ?? [];
  return (inside ?? v4 ?? text).replace(/%.*$/, '').replace(/^::ffff:(?=[\d.]+$)/i, '');
};

/**
 * Whom a call is from: the peer itself, unless that is a proxy of ours. What a proxy says is read from the right, where ours wrote last: the
 * first address that is no proxy of ours is the caller. Whatever stands left of that is the caller's own invention.
 */
export const clientAddress = (
  remote: string,
  forwardedFor: string | readonly string[] | undefined,
  proxies: TrustedProxies,
): string => {
  const said = (typeof forwardedFor === 'string' ? [forwardedFor] : (forwardedFor ?? [])).join(',').split(',');
  let address = bare(remote);
  for (const one of said.reverse().map((text) => bare(text.trim()))) {
    if (!proxies.has(address) || isIP(one) === 0) break;
    address = one;
  }
  return address;
};
