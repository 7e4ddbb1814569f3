// The holder's agent is stopped or killed: nothing is answered through it after its lease, by whatever connection.
import { join } from 'node:path';
import type { SoakValues } from '../soak.js';
import { LEASE, LoneAgents, type Silence } from './support/lone-agents.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Three agents with a lease among themselves over real WireGuard, and a client that is never told that its holder
  is stale. The holder's agent gets SIGSTOP and SIGKILL in turn while the client pings every 10 ms and has two TCP connections
  open, one echoed, one only pushed to. All must fall silent within the lease and 50 ms.`;
export const options = { runs: { type: 'string', default: '100' } } as const;

export const MARGIN_MS = 50;
const MOST_TRIES = 3;

/** A stream that was silent before the agent was stopped would prove nothing. */
export const problemsOf = ({ lateAnswers: _, ...silence }: Silence, marginMs = MARGIN_MS): string[] =>
  Object.entries(silence).flatMap(([kind, ms]) =>
    ms > LEASE.ttlMs + marginMs
      ? [`${kind} was answered ${ms.toFixed(0)} ms after the agent was stopped`]
      : ms < LEASE.ttlMs - 2 * LEASE.beatMs - MARGIN_MS
        ? [`${kind} was silent already ${ms.toFixed(0)} ms after the agent was stopped: the lease was not in force`]
        : [],
  );

const isMute = ({ lateAnswers: _, ...silence }: Silence): boolean =>
  Object.values(silence).some((ms) => ms < LEASE.ttlMs - 2 * LEASE.beatMs - MARGIN_MS);

/** On a crowded machine a holder may have lost its lease just before it was stopped: such a run shows nothing, and is made again. */
const answeringUntil = async (once: () => Promise<Silence>, again: () => void): Promise<Silence> => {
  for (let tries = 1; ; tries++) {
    const silence = await once();
    if (!isMute(silence) || tries >= MOST_TRIES) return silence;
    again();
  }
};

export const run = async (values: SoakValues) => {
  const runs = wholeNumber(values, 'runs');
  const rig = await LoneAgents.create(join(import.meta.dirname, '../../..'));
  const seen: Silence[] = [];
  const problems: string[] = [];
  let repeated = 0;
  try {
    for (let n = 0; n < runs; n++) {
      const how = n % 2 === 0 ? 'SIGSTOP' : 'SIGKILL';
      const silence = await answeringUntil(
        () => rig.silence(how),
        () => void repeated++,
      );
      seen.push(silence);
      problems.push(...problemsOf(silence).map((problem) => `run ${n + 1} (${how}): ${problem}`));
      if (n % 10 === 9 || problems.length > 0) say(`  ${n + 1} of ${runs}: ${JSON.stringify(silence)}`);
    }
  } finally {
    await rig.close();
  }
  const worst = (kind: keyof Silence) => Math.round(Math.max(...seen.map((silence) => silence[kind])));
  const summary = {
    runs,
    repeated,
    lease_ms: LEASE.ttlMs,
    late_runs: new Set(problems.map((p) => p.split(':')[0])).size,
    ping_silent_after_ms_max: worst('ping'),
    echo_silent_after_ms_max: worst('echo'),
    push_silent_after_ms_max: worst('push'),
  };
  if (problems.length > 0) throw new Error(`${JSON.stringify(summary)}\n  ${problems.join('\n  ')}`);
  return summary;
};
