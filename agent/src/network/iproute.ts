import { z } from 'zod';
import type { Log } from '#kernel';
import type { Files, Processes } from '../ports.js';
import { canonicalCidr, canonicalPrefix, isV6 } from './cidr.js';
import type { LinkOp, LinkOps, LinkState } from './link-ops.js';

/**
 * Marks the agent's routes (`ip route … proto`). A number that no routing daemon calls its own: FRR's zebra takes routes of
 * 186 to 198 (and bird's, babel's, …) for left-overs of its own daemons.
 */
const PROTO = '219';
/** What marked them before: RIPng's number at FRR. */
const FORMER_PROTO = '190';

const links = z.array(
  z.object({
    ifname: z.string().optional(),
    mtu: z.number().optional(),
    flags: z.array(z.string()).optional(),
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number(), scope: z.string() }).partial()).optional(),
  }),
);
const routes = z.array(
  z.object({ dst: z.string(), gateway: z.string().optional(), via: z.object({ host: z.string() }).optional() }),
);
const gets = z.array(z.object({ dev: z.string().optional() }));

const parse = <T>(schema: z.ZodType<T>, text: string): T => schema.parse(JSON.parse(text.trim() === '' ? '[]' : text));

/** The real node, through iproute2. */
export class IpRoute implements LinkOps {
  private former: Promise<void> | undefined;

  constructor(
    private readonly processes: Processes,
    private readonly files: Files,
    private readonly log: Log,
  ) {}

  async read(device: string): Promise<LinkState | undefined> {
    const shown = await this.processes.run('ip', ['-j', 'address', 'show', 'dev', device]);
    if (shown.code === null) throw new Error(`cannot run ip: ${shown.stderr.trim()}`);
    if (shown.code !== 0) return undefined;
    // Some versions print empty objects for other devices.
    const link = parse(links, shown.stdout).find((entry) => entry.ifname === device);
    if (link === undefined) return undefined;
    const addresses = (link.addr_info ?? [])
      .filter((a) => a.local !== undefined && a.scope !== 'link')
      .map((a) => canonicalCidr(`${a.local}/${a.prefixlen}`));
    const found = new Map<string, string>();
    for (const family of ['-4', '-6'])
      for (const [prefix, via] of await this.routes([family, 'route', 'show', 'dev', device, 'proto', PROTO]))
        found.set(prefix, via);
    return { up: link.flags?.includes('UP') ?? false, mtu: link.mtu ?? 0, addresses, routes: found };
  }

  async unreachable(): Promise<ReadonlySet<string>> {
    await (this.former ??= this.forgetFormer());
    const found = new Set<string>();
    for (const family of ['-4', '-6'])
      for (const [prefix] of await this.routes([family, 'route', 'show', 'type', 'unreachable', 'proto', PROTO]))
        found.add(prefix);
    return found;
  }

  /** Routes to a device are taken over where they are wanted, and go with the device; what is unreachable would stay so. */
  private async forgetFormer(): Promise<void> {
    for (const family of ['-4', '-6'])
      for (const [prefix] of await this.routes([family, 'route', 'show', 'type', 'unreachable', 'proto', FORMER_PROTO]))
        await this.processes.run('ip', [family, 'route', 'del', 'unreachable', prefix, 'proto', FORMER_PROTO]);
  }

  async apply(ops: readonly LinkOp[]): Promise<void> {
    if (ops.length === 0) return;
    const script = ops.map(line).join('\n');
    const result = await this.processes.run('ip', ['-force', '-batch', '-'], `${script}\n`);
    const failures = result.stderr
      .split('\n')
      .filter((text) => /^(RTNETLINK answers|Error|Cannot|ipv[46]:)/.test(text))
      // Deleting what is already gone is what was wanted.
      .filter((text) => !/Cannot assign requested address|No such process|address not found/i.test(text));
    if (result.code === null || failures.length > 0)
      throw new Error(
        `ip failed: ${[...failures, ...(result.code === null ? [result.stderr] : [])].join('; ').trim()}`,
      );
  }

  async enableForwarding(): Promise<void> {
    for (const path of ['/proc/sys/net/ipv6/conf/all/forwarding', '/proc/sys/net/ipv4/ip_forward']) {
      if ((await this.files.read(path))?.toString('utf8').trim() === '1') continue;
      const key = path.slice('/proc/sys/'.length).replaceAll('/', '.');
      const result = await this.processes.run('sysctl', ['-q', '-w', `${key}=1`]);
      if (result.code !== 0) throw new Error(`cannot enable ${key}: ${result.stderr.trim()}`);
    }
  }

  async killSockets(which: 'src' | 'dst', address: string): Promise<void> {
    const result = await this.processes.run('ss', ['-K', which, isV6(address) ? `[${address}]` : address]);
    // Kernels without INET_DIAG_DESTROY: clients then notice by their own timeouts.
    if (result.code !== 0) this.log.warn({ which, address, error: result.stderr.trim() }, 'cannot reset connections');
  }

  async deviceTo(address: string): Promise<string | undefined> {
    const shown = await this.processes.run('ip', ['-j', 'route', 'get', address]);
    return shown.code === 0 ? parse(gets, shown.stdout)[0]?.dev : undefined;
  }

  private async routes(args: readonly string[]): Promise<[string, string][]> {
    const shown = await this.processes.run('ip', ['-j', ...args]);
    if (shown.code !== 0) return [];
    return parse(routes, shown.stdout)
      .filter((r) => r.dst !== 'default')
      .map((r) => [canonicalPrefix(r.dst), r.gateway ?? r.via?.host ?? '']);
  }
}

/** One line of an `ip -batch` script. */
const line = (op: LinkOp): string => {
  switch (op.op) {
    case 'up':
      return `link set dev ${op.device} ${op.mtu === undefined ? '' : `mtu ${op.mtu} `}up`;
    case 'address-add': {
      // A VIP is never a source address that the kernel may choose by itself.
      const life = op.vip && isV6(op.address) ? ' preferred_lft 0' : '';
      return `address replace ${op.address} dev ${op.device}${isV6(op.address) ? ' nodad' : ''}${life}`;
    }
    case 'address-del':
      return `address del ${op.address} dev ${op.device}`;
    case 'route-add':
      return `route replace ${op.prefix} ${gateway(op.prefix, op.via)}dev ${op.device} proto ${PROTO}${op.metric === undefined ? '' : ` metric ${op.metric}`}`;
    case 'route-del':
      return `route del ${op.prefix} dev ${op.device} proto ${PROTO}`;
    case 'unreachable-add':
      return `route replace unreachable ${op.prefix} proto ${PROTO}`;
    case 'unreachable-del':
      return `route del unreachable ${op.prefix} proto ${PROTO}`;
  }
};

const gateway = (prefix: string, via: string | undefined): string => {
  if (via === undefined) return '';
  return isV6(via) && !isV6(prefix) ? `via inet6 ${via} onlink ` : `via ${via} onlink `;
};
