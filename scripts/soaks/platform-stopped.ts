// The platform is away for a minute, killed or stopped: the VIP keeps answering, and afterwards nothing moves.
import { join } from 'node:path';
import type { SoakValues } from '../soak.js';
import { platformAway } from './support/absence.js';
import { say, wholeNumber } from './support/numbers.js';
import { TutorialRig } from './support/tutorial-rig.js';

export const about = `Plays tutorial 04, then takes the platform away for so many seconds (SIGKILL, then SIGSTOP) while the
  workstation pings the VIP every 16 ms and calls the API through it: no packet lost, no call failed, epoch unchanged.`;
export const options = { seconds: { type: 'string', default: '60' } } as const;

export const run = async (values: SoakValues) => {
  const seconds = wholeNumber(values, 'seconds');
  const rig = await TutorialRig.create(join(import.meta.dirname, '../../..'));
  try {
    const { vip } = await rig.play();
    const result: Record<string, number> = { seconds };
    for (const how of ['SIGKILL', 'SIGSTOP'] as const) {
      say(`  the platform is away for ${seconds} s (${how})`);
      const { ping, https, problems, unanswered } = await platformAway(rig, how, seconds, vip);
      const name = how.toLowerCase();
      result[`${name}_packets`] = ping.sent;
      result[`${name}_lost`] = ping.lost;
      result[`${name}_longest_gap_ms`] = Math.round(ping.longestGapMs);
      result[`${name}_https_calls`] = https.answered;
      result[`${name}_https_failed`] = https.failed.length;
      result[`${name}_https_gap_ms`] = Math.round(https.longestGapMs);
      say(`  ${JSON.stringify(result)}`);
      const wrong = [...problems, ...unanswered];
      if (wrong.length > 0) throw new Error(`${how}:\n  ${wrong.join('\n  ')}`);
    }
    const { problems } = await rig.finish();
    if (problems.length > 0) throw new Error(problems.join('\n  '));
    return result;
  } finally {
    await rig.close();
  }
};
