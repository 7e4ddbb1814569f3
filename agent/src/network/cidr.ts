import ipaddr from 'ipaddr.js';

/** Canonical text of an address: RFC 5952 for IPv6. Throws for anything else. */
export const canonicalAddress = (text: string): string => {
  const address = ipaddr.parse(text);
  return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
};

/** Canonical `address/length`; a bare address gets its full length. Host bits are kept. */
export const canonicalCidr = (text: string): string => {
  const at = text.indexOf('/');
  const address = canonicalAddress(at < 0 ? text : text.slice(0, at));
  return `${address}/${at < 0 ? (isV6(address) ? 128 : 32) : Number(text.slice(at + 1))}`;
};

/** With the host bits cleared, as kernels print prefixes. */
export const canonicalPrefix = (text: string): string => {
  const cidr = canonicalCidr(text);
  const base = isV6(cidr) ? ipaddr.IPv6.networkAddressFromCIDR(cidr) : ipaddr.IPv4.networkAddressFromCIDR(cidr);
  return `${canonicalAddress(base.toString())}/${cidr.slice(cidr.indexOf('/') + 1)}`;
};

export const isV6 = (text: string): boolean => text.includes(':');

export const contains = (prefix: string, address: string): boolean => {
  const bare = address.split('/')[0]!;
  if (isV6(prefix) !== isV6(bare)) return false;
  return ipaddr.parse(bare).match(ipaddr.parseCIDR(prefix) as [ipaddr.IPv4, number]);
};

/** `host:port` or `[v6]:port` with a canonical address; undefined when the host is not an address. */
export const canonicalEndpoint = (text: string): string | undefined => {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/^\[|\]$/g, '');
  if (at < 0 || !ipaddr.isValid(host)) return undefined;
  const address = canonicalAddress(host);
  return isV6(address) ? `[${address}]:${text.slice(at + 1)}` : `${address}:${text.slice(at + 1)}`;
};

export const endpointHost = (endpoint: string): string =>
  endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
