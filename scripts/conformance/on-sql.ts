import { spawnSync } from 'node:child_process';
import { detectNetwork } from '../../apps/lab/src/level.js';
import { PATH } from '../../apps/lab/src/processes.js';
import { sqlChecks, SqlWorld } from '../../test/doubles/k3s/sql-checks.js';
import type { Column, Verdict } from './check.js';

/** Several machines and a database server: a lab of namespaces. Answers why not, where there can be none. */
export const onSql = async (target: string): Promise<Column | string> => {
  const { level, missing } = detectNetwork();
  if (level === 'in-process') return `no lab on this machine; missing: ${missing}`;
  if (spawnSync('kubectl', ['version', '--client'], { env: { ...process.env, PATH } }).status !== 0)
    return 'kubectl is not there';
  const world = await SqlWorld.create();
  const verdicts: Record<string, Verdict> = {};
  try {
    for (const { name, run } of sqlChecks) {
      verdicts[name] = await run(world).then(
        (): Verdict => ({ outcome: 'pass' }),
        (error: unknown): Verdict => ({ outcome: 'FAIL', why: error instanceof Error ? error.message : String(error) }),
      );
      process.stderr.write(`  ${verdicts[name].outcome.padEnd(9)} ${name}\n`);
    }
  } finally {
    await world.end();
  }
  return { target, verdicts };
};
