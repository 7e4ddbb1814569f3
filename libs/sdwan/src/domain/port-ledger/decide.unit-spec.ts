import { portLedgerDecider, type PortLedgerCommand } from './decide.js';

describe('the ports of a node', () => {
  const instanceId = 'instance-00000000-0000-4000-8000-000000000001' as const;
  const peer = (n: number) => `sdwan_peer-00000000-0000-4000-8000-00000000000${n}` as const;
  const run = (commands: readonly PortLedgerCommand[]) => {
    let state = portLedgerDecider.initial;
    for (const command of commands) {
      const decision = portLedgerDecider.decide(command, state);
      if (decision.kind === 'reject') return decision.refusal;
      if (decision.kind === 'accept') state = decision.events.reduce(portLedgerDecider.evolve, state);
    }
    return [...state.values()];
  };
  const claim = (n: number, wanted?: number): PortLedgerCommand => ({
    kind: 'claim',
    instanceId,
    peerId: peer(n),
    wanted,
  });

  it('are one a network, the first free one unless named, and free again after a detach', () => {
    expect(run([claim(1), claim(2), claim(2), claim(3, 51_900), claim(4)])).toEqual([51_820, 51_821, 51_900, 51_822]);
    expect(run([claim(1), claim(2), { kind: 'release', instanceId, peerId: peer(1) }, claim(3)])).toEqual([
      51_821, 51_820,
    ]);
  });

  it('are refused when another network of the node has it, with a free one named', () => {
    expect(run([claim(1), claim(2, 51_820)])).toMatchObject({
      code: 'listen_port_taken',
      field: 'listen_port',
      hint: expect.stringContaining('51821'),
    });
  });
});
