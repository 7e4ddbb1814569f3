import { PingProbe, type ProbeResult } from '../../../apps/lab/src/probes/ping.js';
import { signal, sleep } from '../../../apps/lab/src/processes.js';
import { HttpsLoop, type HttpsResult } from './https-loop.js';
import type { TutorialRig } from './tutorial-rig.js';

export type Absence = 'SIGKILL' | 'SIGSTOP';
export interface AbsenceResult {
  readonly ping: ProbeResult;
  readonly https: HttpsResult;
  /** What is not as it must be, whatever the machine's load; empty when the platform's absence moved nothing. */
  readonly problems: readonly string[];
  /** What did not get through. A holder whose machine is so busy that its lease runs out for a moment loses packets by design. */
  readonly unanswered: readonly string[];
}

const SETTLE_MS = 4_000;

const standing = async (rig: TutorialRig) => {
  const { virtual_ip } = await rig.operator.call<{ virtual_ip: { holders: string[]; epoch: number; state: string } }>(
    'system_sdwan_get_virtual_ip',
    { name: 'k3s_api_endpoint' },
  );
  const { holders, epoch, state } = virtual_ip;
  return { holder: holders[0], epoch, state };
};
const losses = async (rig: TutorialRig): Promise<number> => (await rig.happened('system.instance.lost')).length;

const comeBack = async (rig: TutorialRig, how: Absence): Promise<void> => {
  if (how === 'SIGSTOP') signal(rig.platform.pid, 'SIGCONT');
  else await rig.platform.start();
};

/** The platform is away for so long while ICMP and HTTPS run through the VIP; it comes back and must move nothing. */
export const platformAway = async (
  rig: TutorialRig,
  how: Absence,
  seconds: number,
  vip: string,
): Promise<AbsenceResult> => {
  const before = { ...(await standing(rig)), lost: await losses(rig) };
  const ping = PingProbe.start(rig.lab, 'workstation', vip);
  const https = HttpsLoop.start(rig.lab, 'workstation');
  await sleep(500);
  if (how === 'SIGSTOP') signal(rig.platform.pid, 'SIGSTOP');
  else await rig.platform.stop('SIGKILL');
  await sleep(seconds * 1_000);
  await comeBack(rig, how);
  // Long enough for leases to run out that were not renewed after the return.
  await sleep(SETTLE_MS);
  const [pings, calls] = [await ping.stop(), await https.stop()];
  const after = { ...(await standing(rig)), lost: await losses(rig) };
  const problems = [
    ...(JSON.stringify(after) === JSON.stringify(before)
      ? []
      : [`the VIP was ${JSON.stringify(before)} and is ${JSON.stringify(after)}`]),
    ...(pings.sent > seconds * 20 ? [] : [`only ${pings.sent} packets sent`]),
    ...(calls.answered > seconds ? [] : [`only ${calls.answered} HTTPS answers`]),
  ];
  const unanswered = [
    ...(pings.lost === 0 ? [] : [`${pings.lost} of ${pings.sent} packets lost`]),
    ...(calls.failed.length === 0 ? [] : [`HTTPS failed: ${calls.failed.slice(0, 5).join(', ')}`]),
  ];
  return { ping: pings, https: calls, problems, unanswered };
};
