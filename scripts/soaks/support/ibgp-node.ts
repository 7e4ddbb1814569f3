import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '#kernel';
import { systemVty } from '../../../agent/src/adapters/vty.js';
import type { VtyConnection } from '../../../agent/src/frr/vty.js';
import type { CompiledBgp } from '../../../libs/sdwan/src/domain/ibgp/compile.js';
import type { PeerView } from '../../../libs/sdwan/src/domain/wireguard-compiler/model.js';

export interface IbgpOptions {
  /** Whether reflectors pass on all they hear, or their best paths only. */
  readonly addpath?: boolean;
  /** Pod ranges of each node. */
  readonly ranges?: number;
  /** BFD's interval: a machine that is too busy for 300 ms takes sessions down all the time. */
  readonly bfdMs?: number;
}

/** What a node is told, but for what the run is to do without. */
export const asAsked = (bgp: CompiledBgp | undefined, options: IbgpOptions): CompiledBgp | undefined => {
  if (bgp === undefined) return undefined;
  const { addpath = true, bfdMs = 300 } = options;
  const one = (line: string) => (addpath || !line.endsWith(' addpath-tx-all-paths') ? [line] : []);
  const slow = (line: string) => [line.replace(/-interval \d+$/, `-interval ${bfdMs}`)];
  const change = (blocks: CompiledBgp['bgpd'], by: (line: string) => string[]) =>
    blocks.map((block) => ({ ...block, lines: block.lines.flatMap(by) }));
  return { ...bgp, bgpd: change(bgp.bgpd, one), bfdd: change(bgp.bfdd, slow) };
};

/** The bgpd of the one network of an agent with this state folder: where the agent itself has put it. */
export const connectBgpd = async (stateDir: string): Promise<VtyConnection> => {
  const folder = join('/run/drover-frr', sha256Hex(stateDir).slice(0, 8));
  const network = readdirSync(folder).find((name) => existsSync(join(folder, name, 'bgpd.vty')));
  if (network === undefined) throw new Error(`no bgpd runs for ${stateDir}`);
  const connection = await systemVty.connect(join(folder, network, 'bgpd.vty'));
  await connection.ask('enable');
  return connection;
};

/** A node of an ibgp network as the platform sees it. */
export const viewOf = (n: number, peerId: string, moreRanges: readonly string[]): PeerView => ({
  peerId,
  instanceId: `instance-${n}`,
  kind: 'node',
  name: `n${n}`,
  addressV6: `fd00:5:5:5::1:${n.toString(16)}`,
  addressV4: `100.64.16.${16 + n}`,
  publiclyReachable: false,
  endpointHost: null,
  endpointPort: null,
  listenPort: 51_820,
  publicKey: null,
  keys: { rotation: null, rotations: 0, at: 0n, atMs: 0, sinceMs: 0 },
  underlay: [`fd99::${n + 1}`],
  podCidrs: [`10.42.${n}.0/24`, ...moreRanges],
  lanSubnets: [],
  lanMasquerade: false,
  tags: [],
  silent: false,
});
