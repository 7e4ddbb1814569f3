import { spawnSync } from 'node:child_process';
import { detectNetwork } from '../../../apps/lab/src/level.js';
import { PATH } from '../../../apps/lab/src/processes.js';

export interface Needs {
  /** `encrypted` is WireGuard itself; `namespaces` is content with plain routes between network namespaces. */
  readonly network?: 'encrypted' | 'namespaces';
  /** Programs that must be on the PATH. */
  readonly tools?: readonly string[];
}

const missingOf = ({ network = 'encrypted', tools = [] }: Needs): string => {
  const found = detectNetwork();
  const enough = network === 'encrypted' ? found.encrypted : found.level !== 'in-process';
  const absent = tools.filter(
    (tool) => spawnSync('sh', ['-c', `command -v ${tool}`], { env: { ...process.env, PATH } }).status !== 0,
  );
  return [...(enough ? [] : [found.missing]), ...absent].join(', ');
};

/** Says loudly what is missing; false where the tests cannot run for it. */
const canRun = (title: string, missing: string): boolean => {
  if (missing === '') return true;
  process.stderr.write(`\n  ${title}: CANNOT RUN here: ${missing}\n  DROVER_REQUIRE_REAL=1 makes this a failure.\n\n`);
  if (process.env['DROVER_REQUIRE_REAL'] === '1') throw new Error(`DROVER_REQUIRE_REAL=1, but: ${missing}`);
  return false;
};

/** `describe`, unless something is missing for it: then it says so loudly, and fails under DROVER_REQUIRE_REAL=1. */
export const describeUnless = (missing: string, title: string, tests: () => void): void =>
  (canRun(title, missing) ? describe : describe.skip)(title, tests);

/** `describe` for what runs on real parts only. */
export const describeWithRealParts = (title: string, needs: Needs, tests: () => void): void =>
  describeUnless(missingOf(needs), title, tests);

/** The same for one test among others that need less. */
export const itWithRealParts = (title: string, needs: Needs, test: () => Promise<void>): void =>
  (canRun(title, missingOf(needs)) ? it : it.skip)(title, test);
