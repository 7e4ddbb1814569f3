// Failover as an operator sees it: three K3s servers, a worker and a workstation as machines of a lab over real WireGuard, with
// drains and crashes of whoever holds the VIP; keepalived on two more machines of the same lab crashes in turn with ours.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { detectNetwork } from '../../apps/lab/src/level.js';
import { sleep } from '../../apps/lab/src/processes.js';
import type { Result } from '../bench.js';
import { cleanUpOnSignals } from '../soaks/support/cleanup.js';
import { Campaign } from './support/campaign.js';
import { HOSTS, isThere } from './support/keepalived.js';
import { FailoverRig } from './support/failover-rig.js';
import { loadAverage } from './support/load.js';
import { hasPinger } from './support/ping-log.js';
import { staleHolder } from './support/stale.js';

const USAGE = `usage: npm run bench -- failover [--full] [--drains N] [--crashes N] [--seconds N] [--stale N] [--logs DIR] [--json]

  --full     30 drains, 30 crashes, 600 s under load, 600 s without the platform (about 50 minutes); else a few minutes
  --drains   of the holder                          --crashes  of the holder, each with one of keepalived's
  --seconds  under load, and without the platform   --stale    runs with a holder whose agent is stopped
  --logs     keeps everybody's logs there

Needs root, /dev/net/tun, wireguard-go, fping, and keepalived for the peer's numbers.
`;
const SHORT = { drains: 8, crashes: 5, seconds: 20, stale: 4 };
const FULL = { drains: 30, crashes: 30, seconds: 600, stale: 20 };
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const countsOf = (args: readonly string[]) => {
  const number = { type: 'string' } as const;
  const options = {
    full: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
    logs: { type: 'string' },
    ...{ drains: number, crashes: number, seconds: number, stale: number },
  } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const counts = { ...(values.full === true ? FULL : SHORT), logs: values.logs };
  for (const name of ['drains', 'crashes', 'seconds', 'stale'] as const) {
    const given = values[name];
    if (given === undefined) continue;
    if (!/^\d+$/.test(given)) throw new Error(`--${name} ${given}: must be a whole number`);
    counts[name] = Number(given);
  }
  return counts;
};

export const run = async (args: readonly string[]): Promise<Result> => {
  const counts = countsOf(args);
  const { encrypted, missing } = detectNetwork();
  if (!encrypted) throw new Error(`failover needs real WireGuard: ${missing}`);
  if (!hasPinger()) throw new Error('failover needs fping (apt-get install --no-install-recommends fping)');
  const undo = cleanUpOnSignals();
  const root = join(import.meta.dirname, '../../..');
  const load = { start: loadAverage() };
  const started = performance.now();
  const peer = isThere();
  if (!peer)
    say('keepalived is not installed: no peer in this run (apt-get install --no-install-recommends keepalived)');
  try {
    const stale = await staleHolder(root, counts.stale, say);
    say('the lab comes up, and tutorial 04 is played');
    const rig = await FailoverRig.create(root, peer ? HOSTS : [], counts.logs);
    const campaign = await Campaign.begin(rig, peer, say);
    await campaign.drains(counts.drains);
    await campaign.crashes(counts.crashes);
    await campaign.calm(counts.seconds);
    const result = await campaign.end();
    await sleep(0);
    return {
      bench: 'failover',
      ...result,
      ...stale,
      cpus: availableParallelism(),
      load_start: load.start,
      load_end: loadAverage(),
      seconds: Math.round((performance.now() - started) / 1000),
    };
  } finally {
    await undo();
  }
};
