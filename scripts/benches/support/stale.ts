import type { Result } from '../../bench.js';
import { LEASE, LoneAgents } from '../../soaks/support/lone-agents.js';
import { MARGIN_MS } from '../../soaks/stale-holder.js';

/** Packets that a holder with a stopped agent still answered when its lease, and the margin, were over. */
export const staleHolder = async (root: string, runs: number, say: (text: string) => void): Promise<Result> => {
  if (runs === 0) return {};
  const rig = await LoneAgents.create(root);
  let late = 0;
  let last = 0;
  try {
    for (let n = 0; n < runs; n++) {
      const how = n % 2 === 0 ? 'SIGSTOP' : 'SIGKILL';
      const { lateAnswers, ping, echo, push } = await rig.silence(how, LEASE.ttlMs + MARGIN_MS);
      late += lateAnswers;
      last = Math.max(last, ping, echo, push);
      say(`  stale holder ${n + 1}/${runs} (${how}): silent after ${Math.round(Math.max(ping, echo, push))} ms`);
    }
  } finally {
    await rig.close();
  }
  return { stale_holder_packets: late, stale_holder_silent_after_ms_max: Math.round(last), stale_holder_runs: runs };
};
