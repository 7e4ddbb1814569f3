import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { apiChecks } from './conformance/api-checks.js';
import type { Check, Column, Target, Verdict } from './conformance/check.js';
import { k3sChecks } from './conformance/k3s-checks.js';
import { onSql } from './conformance/on-sql.js';
import { apiServerTarget, k3sTarget } from './conformance/targets.js';

const CHECKS: readonly Check[] = [...apiChecks, ...k3sChecks];
const INSIDE = 'DROVER_CONFORMANCE_INSIDE';
const RESULT = 'conformance-result ';

const runAll = async (target: Target): Promise<Column> => {
  const verdicts: Record<string, Verdict> = {};
  for (const check of CHECKS) {
    if (check.of === 'k3s' && target.k3s === undefined) {
      verdicts[check.name] = { outcome: 'not there', why: 'a kube-apiserver is no K3s' };
      continue;
    }
    try {
      await check.run(target);
      verdicts[check.name] = { outcome: 'pass' };
    } catch (error) {
      verdicts[check.name] = { outcome: 'FAIL', why: error instanceof Error ? error.message : String(error) };
    }
    process.stderr.write(`  ${verdicts[check.name]!.outcome.padEnd(9)} ${check.name}\n`);
  }
  return { target: target.name, verdicts };
};

const k3sBinary = (): { bin: string; name: string } => {
  const real = process.env['DROVER_K3S_BIN'];
  if (real !== undefined) return { bin: real, name: `k3s at ${real}` };
  const bin = join(import.meta.dirname, '../../dist/doubles/k3s');
  if (!existsSync(bin)) throw new Error(`${bin} is not there: npm run build`);
  return { bin, name: 'the stand-in' };
};

/** K3s wants ports, routes and addresses of its own: a network namespace, in which this same script runs again. */
const insideNamespace = (): Column => {
  // The default route is for flannel, which asks for the interface that has it.
  const link = 'ip link add d0 type dummy 2>/dev/null || ip link add d0 type veth peer name d1';
  const net = `ip link set lo up && { ${link}; } && ip addr add 10.99.0.1/24 dev d0 && ip link set d0 up && ip route add default dev d0`;
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const argv = [
    ...root,
    '--net',
    '--mount',
    'sh',
    '-c',
    `${net} && exec "$0" "$@"`,
    process.execPath,
    process.argv[1]!,
  ];
  const child = spawnSync('unshare', argv, {
    encoding: 'utf8',
    env: { ...process.env, [INSIDE]: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  });
  const line = child.stdout.split('\n').find((text) => text.startsWith(RESULT));
  if (line === undefined) throw new Error(`no result from the network namespace (exit code ${child.status})`);
  return JSON.parse(line.slice(RESULT.length)) as Column;
};

const inside = async (): Promise<void> => {
  const { bin, name } = k3sBinary();
  const { target, end } = await k3sTarget(bin, name);
  try {
    process.stdout.write(`${RESULT}${JSON.stringify(await runAll(target))}\n`);
  } finally {
    await end();
  }
};

const print = (checks: readonly { readonly name: string }[], columns: readonly Column[]): void => {
  const width = Math.max(...checks.map((check) => check.name.length));
  process.stdout.write(`\n${'check'.padEnd(width)}  ${columns.map((c) => c.target).join('  |  ')}\n`);
  for (const { name } of checks) {
    const cells = columns.map(({ target, verdicts }) => verdicts[name]!.outcome.padEnd(target.length));
    process.stdout.write(`${name.padEnd(width)}  ${cells.join('  |  ')}\n`);
  }
  for (const { target, verdicts } of columns)
    for (const [name, verdict] of Object.entries(verdicts))
      if (verdict.outcome === 'FAIL') process.stdout.write(`\n${target}: ${name}\n  ${verdict.why}\n`);
};

/** `npm run conformance`: the same checks on a K3s (DROVER_K3S_BIN, else the stand-in) and on a kube-apiserver; K3s on Postgres besides. */
const main = async (): Promise<void> => {
  if (process.env[INSIDE] === '1') return inside();
  process.stderr.write('K3s:\n');
  const columns = [insideNamespace()];
  const { DROVER_APISERVER_URL: url, DROVER_APISERVER_KUBECONFIG: own, KUBECONFIG } = process.env;
  const kubeconfig = own ?? KUBECONFIG;
  if (url === undefined || kubeconfig === undefined) {
    process.stdout.write(
      '\nNOT RUN against a kube-apiserver: set DROVER_APISERVER_URL, and KUBECONFIG to its credentials.\n',
    );
  } else {
    process.stderr.write(`kube-apiserver at ${url}:\n`);
    columns.push(await runAll(await apiServerTarget(url, kubeconfig)));
  }
  print(CHECKS, columns);
  process.stderr.write('K3s on an external SQL datastore:\n');
  const sql = await onSql(`${k3sBinary().name} on Postgres`);
  if (typeof sql === 'string') process.stdout.write(`\nNOT RUN on an external SQL datastore: ${sql}\n`);
  else {
    print(
      Object.keys(sql.verdicts).map((name) => ({ name })),
      [sql],
    );
    columns.push(sql);
  }
  const outcomes = columns.flatMap((column) => Object.values(column.verdicts).map((verdict) => verdict.outcome));
  const count = (outcome: string) => outcomes.filter((o) => o === outcome).length;
  process.stdout.write(`\n${count('pass')} passed, ${count('FAIL')} failed, ${count('not there')} not there\n`);
  process.stdout.write(`${JSON.stringify({ pass: count('pass'), fail: count('FAIL'), targets: columns.length })}\n`);
  if (count('FAIL') > 0) process.exitCode = 1;
};

const USAGE = `npm run conformance: the same checks against K3s and against a kube-apiserver, side by side. It takes no arguments:
  DROVER_K3S_BIN         a real k3s instead of the stand-in
  DROVER_APISERVER_URL   a kube-apiserver besides, with its credentials in DROVER_APISERVER_KUBECONFIG, else KUBECONFIG
It writes there (namespaced objects and nodes): not meant for a cluster that somebody needs.
Exit code 1: a check failed; 2: it was called wrongly. The last line is JSON.
`;

const [first] = process.argv.slice(2);
if (first === undefined) await main();
else if (first === '--help' || first === '-h') process.stdout.write(USAGE);
else {
  process.stderr.write(`there is no argument ${first}\n${USAGE}`);
  process.exitCode = 2;
}
