import 'reflect-metadata';
import { ManualClock } from '#kernel';
import { gatewayUnderTest } from './testing/agents.js';
import { until, type TestAgent } from './testing/client.js';
import { startRig } from './testing/rig.js';

const STEP_MS = 10;

/** Time passes only once every beat has been heard: however long this process stands still, no agent falls silent by that. */
describe('whose stream it is and who is lost, over real TLS by beats', () => {
  const clock = new ManualClock();
  const [lost, returned, suspected, trusted]: [string[], string[], string[], string[]] = [[], [], [], []];
  const cloned: (readonly string[])[] = [];
  const under = gatewayUnderTest(() =>
    startRig({ clock, timers: clock }, (gateway) =>
      gateway.addObserver({
        onLost: (agent) => void lost.push(agent.instanceId),
        onReturned: (agent) => void returned.push(agent.instanceId),
        onSuspected: (agent) => void suspected.push(agent.instanceId),
        onTrusted: (agent) => void trusted.push(agent.instanceId),
        onCloned: (_, boots) => void cloned.push(boots),
      }),
    ),
  );
  const { enrolled, of: agentOf } = under.agents;

  const beat = async (agent: TestAgent) => {
    const before = agent.of('heartbeatAck').length;
    agent.beat();
    await until('the beat is heard', () => agent.of('heartbeatAck').length > before || agent.ended !== undefined);
  };
  const pass = async (ms: number, beating?: { readonly agent: TestAgent; readonly everyMs: number }) => {
    for (let passed = STEP_MS; passed <= ms; passed += STEP_MS) {
      await clock.advance(STEP_MS);
      if (beating !== undefined && passed % beating.everyMs === 0) await beat(beating.agent);
    }
  };
  const passUntil = async (holds: () => boolean, beating?: TestAgent) => {
    for (let rounds = 0; rounds < 10_000 && !holds(); rounds++) {
      await pass(50, beating && { agent: beating, everyMs: 50 });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(holds()).toBe(true);
  };

  it('an agent is lost once when its beats stop, and returns once; a VIP candidate is suspected fast', async () => {
    const identity = await enrolled();
    const id = identity.instanceId;
    const agent = agentOf(identity).connect();
    await until('live', () => agent.of('snapshot').length === 1);
    await pass(800, { agent, everyMs: 100 });
    await pass(600);
    expect(lost).toEqual([]);
    await pass(40);
    await until('lost', () => lost.length === 1);
    await beat(agent);
    await until('returned', () => returned.length === 1);
    under.rig.gateway.setVipCandidate(id, true);
    await until('told the fast beat', () => agent.of('welcome').at(-1)!.beatMs === 50);
    await pass(1_200, { agent, everyMs: 30 });
    await pass(150);
    expect(suspected).toEqual([]);
    await pass(40);
    await until('suspected', () => suspected.length === 1);
    expect(under.rig.gateway.liveness(id)).toMatchObject({ connected: true, suspected: true, lost: false });
    await beat(agent);
    await until('trusted', () => trusted.length === 1);
    expect(under.rig.gateway.liveness(id)).toMatchObject({ suspected: false });
    await pass(640);
    await until('lost again', () => lost.length === 2);
    expect(under.rig.gateway.liveness(id)).toMatchObject({ connected: true, suspected: true, lost: true });
    expect([returned, trusted]).toEqual([[id], [id]]);
  });

  it('a later start of the same boot supersedes at once', async () => {
    const identity = await enrolled();
    const old = agentOf(identity).connect();
    await until('old', () => old.of('snapshot').length === 1);
    const young = agentOf(identity).connect({ startCounter: 2n });
    // No time passes here.
    await until('superseded', () => young.of('snapshot').length === 1);
    await until('bye', () => old.of('bye').length === 1);
    expect(old.of('bye')[0]!.code).toBe('superseded');
  });

  it('a rebooted machine takes over from its silent old stream', async () => {
    const identity = await enrolled();
    const old = agentOf(identity).connect();
    await until('old', () => old.of('snapshot').length === 1);
    const rebooted = agentOf(identity).connect({ bootId: 'boot-2' });
    await passUntil(() => rebooted.of('snapshot').length === 1);
    await until('bye', () => old.of('bye').length === 1);
    expect([old.of('bye')[0]!.code, cloned]).toEqual(['superseded', []]);
  });

  it('two machines that answer with one identity are both quarantined, until it is enrolled anew', async () => {
    const identity = await enrolled();
    const one = agentOf(identity).connect();
    await until('one', () => one.of('snapshot').length === 1);
    const two = agentOf(identity).connect({ bootId: 'boot-2' });
    await passUntil(() => one.ended !== undefined && two.ended !== undefined, one);
    expect([one, two].map((a) => a.of('bye')[0]?.code)).toEqual(['cloned_identity', 'cloned_identity']);
    await until('told', () => cloned.length === 1);
    expect(cloned[0]).toEqual(['boot-1', 'boot-2']);
    two.connect({ bootId: 'boot-2' });
    await until('still out', () => two.of('bye').length === 2);
    const anew = agentOf(await under.agents.enrolledAgain()).connect({ bootId: 'boot-3' });
    await until('back', () => anew.of('snapshot').length === 1);
  });
});
