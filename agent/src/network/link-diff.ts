import ipaddr from 'ipaddr.js';
import type { ComposedInterface } from './compose.js';
import { contains, isV6 } from './cidr.js';
import type { LinkOp, LinkState } from './link-ops.js';

/** Pods and LANs: behind the routes that a CNI makes for the same prefixes, which are as good and must not be fought over. */
const BEHIND_METRIC = 2048;

/** The operations that bring a device's addresses and routes to what they should be. Additions come first. */
export const linkDiff = (
  desired: ComposedInterface,
  device: string,
  shared: boolean,
  actual: LinkState,
  unreachable: ReadonlySet<string>,
): LinkOp[] => {
  const ops: LinkOp[] = [];
  if (!shared && (!actual.up || actual.mtu !== desired.mtu)) ops.push({ op: 'up', device, mtu: desired.mtu });
  const have = new Set(actual.addresses);
  const mine = overlayPrefixes(desired.addresses);
  for (const address of desired.addresses)
    if (!have.has(address)) ops.push({ op: 'address-add', device, address, vip: false });
  for (const address of desired.vipAddresses)
    if (!have.has(address)) ops.push({ op: 'address-add', device, address, vip: true });
  const keep = new Set([...desired.addresses, ...desired.vipAddresses, ...desired.keepAddresses]);
  for (const address of actual.addresses) {
    const ours = !shared || mine.some((prefix) => contains(prefix, address));
    if (ours && !keep.has(address)) ops.push({ op: 'address-del', device, address });
  }
  if (!shared) ops.push(...routeOps(desired, device, actual));
  const block = new Set(desired.unreachable);
  for (const prefix of block) if (!unreachable.has(prefix)) ops.push({ op: 'unreachable-add', prefix });
  for (const prefix of unreachable)
    if (!block.has(prefix) && mine.some((own) => contains(own, prefix))) ops.push({ op: 'unreachable-del', prefix });
  return ops;
};

const routeOps = (desired: ComposedInterface, device: string, actual: LinkState): LinkOp[] => {
  const wanted = new Set(desired.deviceRoutes);
  const ops: LinkOp[] = [];
  const own = overlayPrefixes(desired.addresses);
  for (const prefix of wanted) {
    if (actual.routes.has(prefix)) continue;
    const isOwn = own.some((range) => contains(range, prefix));
    ops.push({ op: 'route-add', device, prefix, ...(isOwn ? {} : { metric: BEHIND_METRIC }) });
  }
  for (const prefix of actual.routes.keys()) if (!wanted.has(prefix)) ops.push({ op: 'route-del', device, prefix });
  return ops;
};

/** The network's own ranges, by its addresses: the /64 and the /20. What lies outside belongs to somebody else. */
export const overlayPrefixes = (addresses: readonly string[]): string[] =>
  addresses.map((cidr) => {
    const address = cidr.split('/')[0]!;
    if (isV6(address)) return `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()}/64`;
    return `${ipaddr.IPv4.networkAddressFromCIDR(`${address}/20`).toString()}/20`;
  });
