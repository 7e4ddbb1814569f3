// Before every call of tutorial 04 the operator asks what_if; afterwards the log must hold the kinds of events that it said.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operator } from '../../apps/lab/src/demo/operator.js';
import { SERVERS, Story } from '../../apps/lab/src/demo/story.js';
import { labWorld } from '../../apps/lab/src/demo/world.js';
import type { SoakValues } from '../soak.js';
import { Foresight } from './support/foresight.js';
import { readLogOf } from './support/event-log.js';
import { say } from './support/numbers.js';
import { TutorialRig } from './support/tutorial-rig.js';

export const about = `Plays tutorial 04 and what comes after it (failover, uncordon, terminate, decommission) with a what_if before
  each changing call: outcome, kinds and numbers of events must be what happened. --keep FILE writes the stories (explain) there.`;
export const options = { keep: { type: 'string' } } as const;

const READS = /(^|_)(list|get|find|describe)_|^recent_events$/;

export const run = async (values: SoakValues) => {
  const rig = await TutorialRig.create(join(import.meta.dirname, '../../..'));
  try {
    const { operator } = rig;
    const foresight = new Foresight(operator);
    const asOperator = {
      call: (tool: string, args: Record<string, unknown>) =>
        READS.test(tool) ? operator.call(tool, args) : foresight.call(tool, args),
    } as unknown as Operator;
    const story = await new Story(asOperator, labWorld(rig.lab), rig.say).play();
    await afterwards(foresight, rig, story.bootstrapInstance, story.clusterId);
    const stories = [];
    for (const subject of [...SERVERS.slice(0, 2), story.clusterId, 'k3s_api_endpoint'])
      stories.push(await operator.call('explain', { subject }));
    if (typeof values['keep'] === 'string')
      writeFileSync(values['keep'], JSON.stringify({ stories, foreseen: foresight.foreseen }));
    await foresight.call('kubernetes_decommission_cluster', { cluster_id: story.clusterId });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await operator.close();
    await rig.platform.stop();
    const log = await readLogOf(rig.dataDir);
    const problems = foresight.problems(log.events);
    if (problems.length > 0) throw new Error(`predicted otherwise:\n  ${problems.join('\n  ')}`);
    const took = foresight.foreseen.map((one) => one.tookMs).sort((a, b) => a - b);
    return {
      calls: foresight.foreseen.length,
      events: log.events.length,
      what_if_ms_p50: took[Math.floor(took.length / 2)]!,
      what_if_ms_max: took.at(-1)!,
    };
  } finally {
    await rig.close();
  }
};

const afterwards = async (
  foresight: Foresight,
  rig: TutorialRig,
  drained: string,
  clusterId: string,
): Promise<void> => {
  const until = async (what: string, done: () => Promise<boolean>): Promise<void> => {
    say(`  until ${what}`);
    for (const end = performance.now() + 60_000; !(await done());) {
      if (performance.now() > end) throw new Error(`not within 60 s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  await foresight.call('system_uncordon_instance', { id: drained });
  await until('it runs again', async () => {
    const { instance } = await rig.operator.call<{ instance: { status: string } }>('system_get_instance', {
      id: drained,
    });
    return instance.status === 'running';
  });
  await foresight.call('system_sdwan_failover_virtual_ip', { name: 'k3s_api_endpoint', target_instance_id: drained });
  await foresight.call('system_terminate_instance', { id: SERVERS[2] });
  await until('its node has left the cluster', async () => {
    const { nodes } = await rig.operator.call<{ nodes: { status: string }[] }>('kubernetes_list_nodes', {
      cluster_id: clusterId,
    });
    return nodes.length === 3;
  });
};
