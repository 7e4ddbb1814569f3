// How long a peer is not answered while a node changes its WireGuard key: real agents, real WireGuard, a platform, pings every
// 16 ms from another node to the one whose key is changed, and back. One node after the other, in a mesh. Needs root and TUN.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { detectNetwork } from '../../apps/lab/src/level.js';
import { OverlayRig } from '../../apps/lab/src/overlay/overlay-rig.js';
import { PingProbe } from '../../apps/lab/src/probes/ping.js';

const USAGE = `usage: npm run bench -- rekey [--nodes 4] [--rounds 5] [--json]\n`;

const percentile = (values: readonly number[], p: number): number =>
  Math.round(
    ([...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] ?? 0) * 10,
  ) / 10;
const distribution = (values: readonly number[]) => ({ p50: percentile(values, 0.5), max: percentile(values, 1) });

export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: { nodes: { type: 'string', default: '4' }, rounds: { type: 'string', default: '5' } },
  });
  const [nodes, rounds] = [Number(values.nodes), Number(values.rounds)];
  if (!(nodes >= 2 && nodes <= 50 && rounds >= 1)) throw new Error(USAGE);
  const { encrypted, missing } = detectNetwork();
  if (!encrypted) throw new Error(`real WireGuard cannot run here: ${missing}`);
  const hosts = Array.from({ length: nodes }, (_, n) => `n${n}`);
  const rig = await OverlayRig.create({ root: join(import.meta.dirname, '../../..'), hosts });
  try {
    await rig.operator.call('system_sdwan_create_network', { name: 'net' });
    for (const host of hosts) await rig.attach('net', host);
    await rig.connected('net', nodes);
    const [gaps, whole] = [[] as number[], [] as number[]];
    let [lost, sent] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      for (const [n, host] of hosts.entries()) {
        const other = hosts[(n + 1) % nodes]!;
        const [own, its] = [await rig.peer('net', host), await rig.peer('net', other)];
        const probes = [
          PingProbe.start(rig.lab, other, own.host_address),
          PingProbe.start(rig.lab, host, its.host_address),
        ];
        await new Promise((resolve) => setTimeout(resolve, 300));
        const from = performance.now();
        const done = await rig.operator.call<{ state: string }>('system_sdwan_rotate_peer_key', {
          peer_id: own.id,
          wait_seconds: 30,
        });
        whole.push(performance.now() - from);
        if (done.state !== 'rotated') throw new Error(`${host} was not rotated: ${JSON.stringify(done)}`);
        for (const probe of probes) {
          const seen = await probe.stop();
          gaps.push(seen.longestGapMs);
          lost += seen.lost;
          sent += seen.sent;
        }
        process.stderr.write(`${host}: ${gaps.slice(-2).map(Math.round).join(' and ')} ms\n`);
      }
    }
    return {
      gap_ms: distribution(gaps),
      rotation_ms: distribution(whole),
      pings_lost: lost,
      pings_sent: sent,
      rotations: whole.length,
      nodes,
    };
  } finally {
    await rig.close();
  }
};
