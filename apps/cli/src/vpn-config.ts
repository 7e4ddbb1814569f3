import { z } from 'zod';

const PREFIX = /^[0-9a-fA-F.:]{2,45}\/\d{1,3}$/;
const ENDPOINT = /^(\[[0-9a-fA-F:.%a-z]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;
export const KEY = /^[A-Za-z0-9+/]{43}=$/;
const prefix = z.string().regex(PREFIX);

/**
 * What the platform sends to a device. Strict about every text that gets into the file: wg-quick runs commands that it finds
 * there as root, and one more line would be one.
 */
export const deviceConfig = z.object({
  interface: z.object({
    name: z.string().regex(/^[\w.-]{1,64}$/),
    addresses: z.array(prefix).min(1),
    mtu: z.number().int(),
  }),
  peers: z.array(
    z.object({
      peer_id: z.string().regex(/^[\w-]{1,80}$/),
      public_key: z.string().regex(KEY),
      endpoints: z.array(z.string().regex(ENDPOINT)),
      allowed_ips: z.array(prefix),
      persistent_keepalive: z.number().int().min(0).max(65_535),
    }),
  ),
  routes: z.array(z.object({ prefix, kind: z.string() })),
  hash: z.string().regex(/^[\w-]{1,80}$/),
});
export type DeviceConfig = z.infer<typeof deviceConfig>;

export const redeemed = z.object({
  peer_id: z.string().regex(/^[\w-]{1,80}$/),
  network_id: z.string().regex(/^[\w-]{1,80}$/),
  device_token: z.string().regex(/^[\w-]{1,200}$/),
  config_path: z.string().regex(/^\/[\w/-]{1,300}$/),
  config: deviceConfig,
});

/** Where the configuration comes from; it stands in a comment of the file, which is as secret as the private key in it. */
const source = z.object({
  url: z.string().regex(/^https?:\/\/[^\s]+$/),
  path: z.string().regex(/^\/[\w/-]{1,300}$/),
  token: z.string().regex(/^[\w-]{1,200}$/),
  hash: z.string(),
});
export type Source = z.infer<typeof source>;

export interface VpnFile {
  readonly privateKey: string;
  readonly source: Source;
}

const MARK = '# drover-device ';

/**
 * The addresses carry the network's prefix lengths: so every address of the network, a virtual IP that comes later included,
 * is routed into the interface, and `wg syncconf` alone brings a changed file into force.
 */
const withNetworkPrefix = (address: string, routes: DeviceConfig['routes']): string => {
  const isV6 = address.includes(':');
  const route = routes.find((r) => r.kind === 'device' && r.prefix.includes(':') === isV6);
  return `${address.split('/')[0]!}/${(route?.prefix ?? address).split('/')[1]!}`;
};

const peerSections = (config: DeviceConfig): string[] =>
  config.peers.flatMap((peer) => [
    '',
    '[Peer]',
    `PublicKey = ${peer.public_key}`,
    `AllowedIPs = ${peer.allowed_ips.join(', ')}`,
    ...(peer.endpoints.length === 0 ? [] : [`Endpoint = ${peer.endpoints[0]!}`]),
    `PersistentKeepalive = ${peer.persistent_keepalive}`,
  ]);

/** For wg-quick and the WireGuard apps. */
export const renderConfig = (privateKey: string, config: DeviceConfig): string => {
  const addresses = config.interface.addresses.map((address) => withNetworkPrefix(address, config.routes));
  return [
    '[Interface]',
    `PrivateKey = ${privateKey}`,
    `Address = ${addresses.join(', ')}`,
    `MTU = ${config.interface.mtu}`,
    ...peerSections(config),
    '',
  ].join('\n');
};

/** The same for `wg syncconf`, which knows neither addresses nor MTU. */
export const renderForWg = (privateKey: string, config: DeviceConfig): string =>
  ['[Interface]', `PrivateKey = ${privateKey}`, ...peerSections(config), ''].join('\n');

export const renderFile = ({ privateKey, source: from }: VpnFile, config: DeviceConfig): string =>
  [
    '# Made by `drover vpn join`; `drover vpn refresh FILE` brings it up to date. The private key was made here and has never left.',
    `${MARK}${JSON.stringify({ ...from, hash: config.hash })}`,
    renderConfig(privateKey, config),
  ].join('\n');

/** undefined unless the text is such a file. */
export const parseFile = (text: string): VpnFile | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(MARK));
  const [, privateKey] = /^PrivateKey = ([A-Za-z0-9+/]{43}=)$/m.exec(text) ?? [];
  if (line === undefined || privateKey === undefined) return undefined;
  try {
    return { privateKey, source: source.parse(JSON.parse(line.slice(MARK.length))) };
  } catch {
    return undefined;
  }
};

/** What a person wants to know of a change. */
export const differences = (before: string, after: string): { readonly gone: number; readonly added: number } => {
  const lines = (text: string) =>
    new Set(text.split('\n').filter((line) => /^(PublicKey|AllowedIPs|Endpoint)/.test(line)));
  const [old, now] = [lines(before), lines(after)];
  return {
    gone: [...old].filter((line) => !now.has(line)).length,
    added: [...now].filter((line) => !old.has(line)).length,
  };
};
