// Strangers race for one join token of a real platform over real TLS: one certificate, one event, the rest refused.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Operator } from '../../apps/lab/src/demo/operator.js';
import { choosePorts, PlatformProcess } from '../../apps/lab/src/platform-process.js';
import type { SoakValues } from '../soak.js';
import { undoLater } from './support/cleanup.js';
import { problemsOfLog, readLogOf } from './support/event-log.js';
import { say, wholeNumber } from './support/numbers.js';
import { race } from './support/redeemers.js';

export const about = `Each round makes one instance and lets so many redeemers, each with a key and a TLS connection of its own,
  redeem its join token at once.`;
export const options = {
  redeemers: { type: 'string', default: '512' },
  rounds: { type: 'string', default: '20' },
} as const;

const ANY = { http: 0, agents: 0, enroll: 0 };

const openPlatform = async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'drover-race-'));
  const ports = await choosePorts(ANY);
  const platform = new PlatformProcess({
    root: join(import.meta.dirname, '../../..'),
    dataDir,
    ports,
    logFile: join(dataDir, 'platform.log'),
    publicUrl: `http://127.0.0.1:${ports.http}`,
    provisionerSocket: join(dataDir, 'nobody.sock'),
  });
  const remove = undoLater(async () => {
    await platform.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  await platform.start();
  return { platform, dataDir, remove, address: `127.0.0.1:${ports.enroll}` };
};

const oneRace = async (
  operator: Operator,
  name: string,
  redeemers: number,
  target: { address: string; caPem: string },
) => {
  const { node } = await operator.call<{ node: { id: string } }>('system_create_node', {
    hostname: name,
    node_template_id: 'racers',
  });
  const { instance, join: offer } = await operator.call<{ instance: { id: string }; join: { token: string } }>(
    'system_provision_instance',
    { node_id: node.id },
  );
  const started = performance.now();
  const { certificates, refusals, cameAgain } = await race({ token: offer.token, ...target }, redeemers);
  const told = JSON.stringify(refusals);
  if (certificates.length !== 1 || refusals['join_token_used'] !== redeemers - 1)
    throw new Error(`${name}: ${certificates.length} certificates; refused: ${told}`);
  say(
    `  ${name}: 1 certificate, refused ${told}, ${cameAgain} told to come again, ${(performance.now() - started).toFixed(0)} ms`,
  );
  return instance.id;
};

export const run = async (values: SoakValues) => {
  const [redeemers, rounds] = [wholeNumber(values, 'redeemers', 2), wholeNumber(values, 'rounds')];
  const { platform, dataDir, remove, address } = await openPlatform();
  try {
    const operator = await Operator.connect(`${platform.httpUrl}/mcp`, platform.token);
    await operator.call('system_create_template', { name: 'racers' });
    const caPem = readFileSync(join(dataDir, 'ca/ca.pem'), 'utf8');
    const instances: string[] = [];
    for (let n = 1; n <= rounds; n++)
      instances.push(await oneRace(operator, `racer-${n}`, redeemers, { address, caPem }));
    await operator.close();
    await platform.stop();
    const log = await readLogOf(dataDir);
    const enrolled = log.events.filter((e) => e.type === 'system.instance.enrolled').map((e) => e.data['instance_id']);
    const problems = problemsOfLog(log);
    if (JSON.stringify(enrolled) !== JSON.stringify(instances))
      problems.push(`${enrolled.length} enrolled events, expected one for each of the ${instances.length} instances`);
    if (problems.length > 0) throw new Error(problems.join('\n  '));
    return {
      redeemers,
      rounds,
      certificates: rounds,
      enrolled_events: enrolled.length,
      refused: rounds * (redeemers - 1),
    };
  } finally {
    await remove();
  }
};
