// What it costs that route reflectors pass on all paths (decision 0430): paths in each bgpd, its memory, and how fast others learn.
// Real WireGuard and FRR in namespaces, once with and once without. Needs root, TUN and Debian's package frr.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { until } from '../../apps/lab/src/processes.js';
import type { VtyConnection } from '../../agent/src/frr/vty.js';
import { cleanUpOnSignals, undoLater } from '../soaks/support/cleanup.js';
import { connectBgpd } from '../soaks/support/ibgp-node.js';
import { IbgpRig } from '../soaks/support/ibgp-rig.js';

const USAGE =
  'usage: npm run bench -- addpath [--nodes 12] [--ranges 10] [--rounds 10] [--bfd-ms 300] [--only with|without] [--json]\n';
const LONG_MS = 180_000;

interface Table {
  readonly prefixes: number;
  readonly paths: number;
}

const tableOf = async (bgpd: VtyConnection): Promise<Table> => {
  const paths: number[] = [];
  for (const family of ['ipv4', 'ipv6']) {
    const { text } = await bgpd.ask(`show bgp ${family} unicast json`);
    const answer = JSON.parse(text) as { routes?: object };
    for (const found of Object.values(answer.routes ?? {})) paths.push((found as unknown[]).length);
  }
  return { prefixes: paths.length, paths: paths.reduce((sum, count) => sum + count, 0) };
};

const memoryOf = async (rig: IbgpRig, n: number): Promise<number> => {
  const pid = (await rig.daemons(n)).find((line) => line.endsWith(' bgpd'))!.split(' ')[0]!;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
};

/** One question, whatever the size of the table. */
const knows = async (bgpd: VtyConnection, prefix: string): Promise<boolean> =>
  (await bgpd.ask(`show bgp ipv4 unicast ${prefix} json`)).text.includes('"paths"');

const timed = async (what: string, look: () => Promise<boolean>): Promise<number> => {
  const from = performance.now();
  await until(what, look, LONG_MS, 20);
  return Math.round(performance.now() - from);
};

const measure = async (addpath: boolean, { nodes, ranges, rounds, bfdMs }: Counts) => {
  const rig = await IbgpRig.create(nodes, { addpath, ranges, bfdMs });
  const close = undoLater(() => rig.close());
  try {
    // And perhaps the virtual IP; how fast that is followed is what the soak measures.
    const prefixes = nodes * ranges;
    await rig.tellAll();
    const up = await timed('all sessions are up', async () => rig.up());
    const bgpds = await Promise.all([...Array(nodes).keys()].map((n) => connectBgpd(rig.stateDir(n))));
    const all = async (look: (bgpd: VtyConnection) => Promise<boolean>) => {
      for (const bgpd of bgpds) if (!(await look(bgpd))) return false;
      return true;
    };
    const rest = await timed('all know all', () => all(async (bgpd) => (await tableOf(bgpd)).prefixes >= prefixes));
    process.stderr.write(`  sessions up after ${up} ms, all prefixes known ${rest} ms later\n`);
    const tables = await Promise.all(bgpds.map(tableOf));
    const memory = await Promise.all(bgpds.map((_, n) => memoryOf(rig, n)));
    process.stderr.write(`  paths ${tables.map((t) => t.paths).join()}; kB of each bgpd ${memory.join()}\n`);
    const learned: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const prefix = `10.42.${255 - round}.0/24`;
      const from = performance.now();
      await rig.gain(round % nodes, prefix);
      await until('everybody knows one more', () => all((bgpd) => knows(bgpd, prefix)), LONG_MS, 10);
      learned.push(Math.round(performance.now() - from));
      process.stderr.write(`  one more prefix known by all after ${learned.at(-1)} ms\n`);
    }
    for (const bgpd of bgpds) bgpd.close();
    const start = up + rest;
    return summary(rig, { tables, memory, start, learned });
  } finally {
    await close();
  }
};

interface Seen {
  readonly tables: readonly Table[];
  readonly memory: readonly number[];
  readonly start: number;
  readonly learned: readonly number[];
}

const summary = (rig: IbgpRig, { tables, memory, start, learned }: Seen) => {
  const reflectors = tables.map((_, n) => n).filter((n) => rig.isReflector(n));
  const clients = tables.map((_, n) => n).filter((n) => !reflectors.includes(n));
  const max = (values: readonly number[]) => Math.max(0, ...values);
  const p50 = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const of = (who: readonly number[]) => ({
    paths: max(who.map((n) => tables[n]!.paths)),
    bgpd_rss_kb: p50(who.map((n) => memory[n]!)),
  });
  const [r, c] = [of(reflectors), of(clients)];
  return {
    prefixes: max(tables.map(({ prefixes }) => prefixes)),
    reflector_paths: r.paths,
    client_paths: c.paths,
    reflector_rss_kb: r.bgpd_rss_kb,
    client_rss_kb: c.bgpd_rss_kb,
    start_ms: start,
    prefix_learned_ms_p50: p50(learned),
    prefix_learned_ms_max: max(learned),
  };
};

interface Counts {
  readonly nodes: number;
  readonly ranges: number;
  readonly rounds: number;
  readonly bfdMs: number;
}

export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: 'string', default: '12' },
      ranges: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '10' },
      'bfd-ms': { type: 'string', default: '300' },
      only: { type: 'string' },
    },
  });
  const counts = {
    ...{ nodes: Number(values.nodes), ranges: Number(values.ranges) },
    ...{ rounds: Number(values.rounds), bfdMs: Number(values['bfd-ms']) },
  };
  const { nodes, ranges, rounds, bfdMs } = counts;
  // All of it is inside one /16.
  const isSane = nodes >= 2 && ranges >= 1 && rounds >= 1 && bfdMs >= 50;
  if (!isSane || nodes * ranges + rounds > 255) throw new Error(USAGE);
  cleanUpOnSignals();
  const result: Record<string, number | Record<string, number>> = { nodes, ranges, rounds, bfd_ms: bfdMs };
  for (const way of ['with', 'without']) {
    if (values.only !== undefined && values.only !== way) continue;
    result[way] = await measure(way === 'with', counts);
    process.stderr.write(`${way} addpath: ${JSON.stringify(result[way])}\n`);
  }
  return result;
};
