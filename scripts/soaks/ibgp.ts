// An ibgp network of real WireGuard and FRR, as large as it needs to be for route reflectors.
import { performance } from 'node:perf_hooks';
import type { SoakValues } from '../soak.js';
import { sleep, until } from '../../apps/lab/src/processes.js';
import { undoLater } from './support/cleanup.js';
import { IbgpRig } from './support/ibgp-rig.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Nodes in namespaces with real WireGuard and FRR (Debian's package), told what the compiler says of an ibgp network;
  above ten with route reflectors. A virtual IP moves and only its two candidates are told: everybody else has to learn it. Daemons
  are killed one by one, and the network becomes a mesh and an ibgp network again, while pods ping each other every 5 ms. A node
  dies with all that it runs, and comes back.`;
export const options = {
  nodes: { type: 'string', default: '12' },
  moves: { type: 'string', default: '20' },
  switches: { type: 'string', default: '3' },
  kills: { type: 'string', default: '2' },
} as const;

const LONG_MS = 120_000;
/** A daemon that has heard somebody for ten seconds may say that somebody else is silent. */
const SETTLED_MS = 11_000;

const timed = async (what: string, look: () => boolean | Promise<boolean>, everyMs = 10): Promise<number> => {
  const from = performance.now();
  await until(what, async () => look(), LONG_MS, everyMs);
  return Math.round(performance.now() - from);
};
const p50 = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

export const run = async (values: SoakValues) => {
  const count = wholeNumber(values, 'nodes');
  const rig = await IbgpRig.create(count);
  const close = undoLater(() => rig.close());
  const result: Record<string, number> = { nodes: count };
  try {
    await rig.tellAll();
    result['sessions_up_ms'] = await timed('all sessions are up', () => rig.up(), 50);
    say(`  ${count} nodes: all sessions are up after ${result['sessions_up_ms']} ms`);
    Object.assign(result, await moves(rig, wholeNumber(values, 'moves')));
    Object.assign(result, await daemonKills(rig));
    Object.assign(result, await switches(rig, wholeNumber(values, 'switches')));
    Object.assign(result, await nodeKills(rig, wholeNumber(values, 'kills')));
  } finally {
    await close();
  }
  const lost = Object.entries(result).filter(([name, n]) => name.endsWith('_lost') && n > 0);
  if (lost.length > 0) throw new Error(`pings were lost: ${JSON.stringify(result)}`);
  return result;
};

const moves = async (rig: IbgpRig, count: number) => {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    await rig.moveVip();
    times.push(await timed('everybody has learned where the virtual IP is', () => rig.following()));
    if (n % 5 === 0) say(`  move ${n + 1}: learned by everybody after ${times.at(-1)} ms`);
  }
  await rig.tellAll();
  return { moves: count, learned_ms_p50: p50(times), learned_ms_max: Math.max(...times) };
};

const daemonKills = async (rig: IbgpRig) => {
  const result: Record<string, number> = {};
  for (const name of ['bgpd', 'bfdd', 'zebra']) {
    const { lost, sent } = await rig.pinging(0, 2, async () => {
      await rig.killDaemon(2, name);
      // Until others have noticed, everything still looks as it should.
      await sleep(2_500);
      await until(
        `${name} is back`,
        async () => (await rig.daemons(2)).some((d) => d.endsWith(` ${name}`)),
        LONG_MS,
        50,
      );
      await until('all sessions are up again', () => rig.up(), LONG_MS, 50);
    });
    say(`  ${name} killed: ${lost} of ${sent} pings lost`);
    result[`${name}_killed_lost`] = lost;
  }
  return result;
};

const switches = async (rig: IbgpRig, count: number) => {
  let [lost, sent] = [0, 0];
  for (let n = 0; n < count; n++) {
    const gap = await rig.pinging(0, 1, async () => {
      await rig.setMode('mesh');
      await until(
        'the daemons are gone',
        async () => (await rig.daemons(0)).every((d) => d.endsWith('wireguard-go')),
        LONG_MS,
        50,
      );
      await rig.setMode('ibgp');
      await until('all sessions are up again', () => rig.up(), LONG_MS, 50);
    });
    lost += gap.lost;
    sent += gap.sent;
  }
  say(`  mode switched ${2 * count} times: ${lost} of ${sent} pings lost`);
  return { switches: 2 * count, switch_pings: sent, switch_lost: lost };
};

const nodeKills = async (rig: IbgpRig, count: number) => {
  const times: number[] = [];
  const back: number[] = [];
  const victim = rig.count - 1;
  const prefix = `10.42.${victim}.0/24`;
  const others = [...Array(victim).keys()];
  const reached = async () =>
    (await Promise.all(others.map((n) => rig.sends(n, prefix, victim)))).filter(Boolean).length;
  for (let n = 0; n < count; n++) {
    await sleep(SETTLED_MS);
    await rig.kill(victim);
    times.push(await timed('nobody sends to the dead node', async () => (await reached()) === 0));
    await rig.boot(victim);
    await rig.tell(victim);
    back.push(await timed('everybody sends to it again', async () => (await reached()) === others.length));
    await until('all sessions are up again', () => rig.up(), LONG_MS, 50);
    say(
      `  node killed: unlearned by everybody after ${times.at(-1)} ms, learned again ${back.at(-1)} ms after its start`,
    );
  }
  return {
    kills: count,
    unlearned_ms_p50: p50(times),
    unlearned_ms_max: Math.max(...times),
    returned_ms_max: Math.max(...back),
  };
};
