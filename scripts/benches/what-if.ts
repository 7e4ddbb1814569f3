// what_if over a long log: what a fork costs, on Postgres.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { silentLog, systemClock } from '#kernel';
import { migrate, PostgresEventStore, startEmbeddedPostgres } from '#event-store';
import { startTestPlatform, type TestPlatform } from '../../apps/platform/src/testing/test-platform.js';
import { fleetLog } from './support/fleet-log.js';

/** With a log that was written without a platform, all of its views are behind at first: the call is measured, not that. */
const caughtUp = async (drover: TestPlatform, began: number): Promise<number> => {
  for (;;) {
    const { status, body } = await drover.rest('platform_health', {});
    if (status !== 200) throw new Error(`platform_health: ${JSON.stringify(body.error)}`);
    const { parts } = body.data as unknown as { parts: readonly { lag: number | null }[] };
    const isBehind = parts.some(({ lag }) => (lag ?? 0) > 0);
    // Before it leads it cannot tell how far behind it is.
    if (!isBehind && parts.some(({ lag }) => lag === 0)) return systemClock.monotonicMs() - began;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

/** Fills a log with the story of a fleet, starts a platform on it, and asks what_if several times. */
export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string', default: '200000' },
      instances: { type: 'string', default: '2000' },
      calls: { type: 'string', default: '8' },
    },
  });
  const [events, instances, calls] = [values.events, values.instances, values.calls].map(Number) as [
    number,
    number,
    number,
  ];
  const dir = mkdtempSync(join(tmpdir(), 'drover-what-if-'));
  const server = await startEmbeddedPostgres({ dataDir: join(dir, 'postgres'), dieWithParent: true });
  try {
    await migrate(server.connection);
    const store = new PostgresEventStore({ connection: server.connection });
    let filled = 0;
    let pending: Promise<unknown>[] = [];
    for (const { stream, events: own } of fleetLog(instances, Math.ceil((events / instances - 8) / 2) + 1)) {
      if (filled >= events) break;
      pending.push(store.append({ stream, expected: 'any', events: own }));
      filled += own.length;
      if (pending.length < 500) continue;
      await Promise.all(pending);
      pending = [];
    }
    await Promise.all(pending);
    await store.close();
    process.stderr.write(`  ${filled} events\n`);
    const began = systemClock.monotonicMs();
    const drover = await startTestPlatform({ DATABASE_URL: server.connectionString }, silentLog);
    const startMs = systemClock.monotonicMs() - began;
    const caughtUpMs = await caughtUp(drover, began);
    const took: number[] = [];
    const cpu: number[] = [];
    let rssBefore = 0;
    try {
      for (let n = 0; n < calls; n++) {
        if (n === 1) rssBefore = process.memoryUsage().rss;
        const from = systemClock.monotonicMs();
        const spent = process.cpuUsage();
        const { status, body } = await drover.rest('what_if', {
          tool: 'system_create_template',
          arguments: { name: `t-${n}` },
        });
        took.push(Math.round(systemClock.monotonicMs() - from));
        const { user, system } = process.cpuUsage(spent);
        cpu.push(Math.round((user + system) / 1_000));
        const answer = status === 200 ? 'answered' : `${body.error.code}: ${body.error.message}`;
        process.stderr.write(
          `  what_if: ${took.at(-1)} ms, ${cpu.at(-1)} ms of CPU, ${answer}, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB\n`,
        );
      }
    } finally {
      await drover.stop();
    }
    return {
      events: filled,
      instances,
      platform_start_ms: Math.round(startMs),
      /** From its start until every view and process had read the whole log. */
      caught_up_ms: Math.round(caughtUpMs),
      first_ms: took[0]!,
      best_ms: Math.min(...took),
      warm_median_ms: [...took.slice(1)].sort((a, b) => a - b)[Math.floor((took.length - 1) / 2)]!,
      cpu_median_ms: [...cpu.slice(1)].sort((a, b) => a - b)[Math.floor((cpu.length - 1) / 2)]!,
      rss_growth_mib: Math.round((process.memoryUsage().rss - rssBefore) / 2 ** 20),
      rss_mib: Math.round(process.memoryUsage().rss / 2 ** 20),
    };
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
};
