import type { agentV1 } from '#proto';
import { OverlayWorld } from '../testing/overlay-world.js';
import { routingView } from '../tools/routing-view.js';

const report = (more: Partial<agentV1.Routing>): agentV1.Routing => ({
  daemon: 'frr 8.4.4',
  sessions: [],
  learned: [],
  error: '',
  ...more,
});

const setUp = async () => {
  const world = new OverlayWorld();
  const { network_id, members } = await world.cluster('a', 'b');
  const [a, b] = [members[0]!, members[1]!];
  const say = async (routing: agentV1.Routing | undefined) => {
    await world.observer.onObserved(world.identity(a.instance_id), { networkId: network_id, peers: [], routing });
    await world.clock.advance(4);
  };
  const told = async () => {
    const kinds: string[] = [];
    for await (const event of world.platform.store.readStream(a.peer_id))
      if (event.type.includes('.routing_')) kinds.push(`${event.type.split('.').at(-1)} ${JSON.stringify(event.data)}`);
    return kinds;
  };
  return { world, network_id, a, b, say, told };
};

describe('what a node says of its routing daemon', () => {
  it('is an event when one comes up and when there is none, naming the package, and nothing in between', async () => {
    const { say, told } = await setUp();
    const absent = report({ daemon: '', error: 'FRR is not on this node: install the package frr' });
    for (const routing of [absent, absent, report({}), report({}), absent]) await say(routing);
    const events = await told();
    expect(events.map((event) => event.split(' ')[0])).toEqual(['routing_static', 'routing_started', 'routing_static']);
    expect(events[0]).toContain('"package":"frr"');
    expect(events[0]).toContain('FRR is not on this node');
  });

  it('takes it out of the sessions of the others, and back in', async () => {
    const { world, network_id, a, b, say } = await setUp();
    const network = () => ({ ...world.model.networks.get(network_id)!, routingMode: 'ibgp' as const });
    const sessionsOf = (peerId: string) =>
      routingView(network(), () => undefined)!
        .nodes.find((node) => node.peer_id === peerId)!
        .sessions.map((s) => s.peer_id);
    expect(sessionsOf(b.peer_id)).toContain(a.peer_id);
    await say(report({ daemon: '', error: 'gone' }));
    expect(sessionsOf(b.peer_id)).not.toContain(a.peer_id);
    await say(report({}));
    expect(sessionsOf(b.peer_id)).toContain(a.peer_id);
  });

  it('is shown with what should be, and forgotten when it is not said any more', async () => {
    const { world, network_id, a, b, say } = await setUp();
    const network = () => ({ ...world.model.networks.get(network_id)!, routingMode: 'ibgp' as const });
    const shown = () =>
      routingView(network(), (id) => world.observer.routing.get(id))!.nodes.find((node) => node.peer_id === a.peer_id)!;
    expect(shown()).toMatchObject({ daemon: null, sessions: [{ peer_id: b.peer_id, state: 'unknown', bfd: null }] });
    await say(
      report({
        sessions: [{ peerId: b.peer_id, state: 'Established', bfd: 'up', prefixes: 2 }],
        learned: [{ prefix: 'fd00::100/128', peerId: b.peer_id, epoch: 7n, withdrawn: false }],
      }),
    );
    expect(shown()).toMatchObject({
      daemon: 'frr 8.4.4',
      sessions: [{ state: 'Established', bfd: 'up', prefixes: 2 }],
      learned: [{ prefix: 'fd00::100/128', epoch: 7 }],
      learned_count: 1,
    });
    await say(undefined);
    expect(shown()).toMatchObject({ daemon: null, learned: [] });
    expect(routingView({ ...network(), routingMode: 'mesh' }, () => undefined)).toBeNull();
  });
});
