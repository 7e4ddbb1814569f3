import { ManualClock } from '#kernel';
import { agentV1 } from '#proto';
import type { CommandContext } from '#processing';
import { DockerHandshake } from './handshake.js';

it('asks anew when a stop is stuck again, for the words may be the same, and the stream knows what was told', async () => {
  const ids: string[] = [];
  const clock = new ManualClock();
  const handshake = new DockerHandshake({
    clock,
    directory: { get: () => ({ accountId: 'account-1', assignment: null, peers: [] }) },
    hosts: { read: async () => undefined },
    dispatcher: {
      dispatch: async ({ context }: { context: CommandContext }) => (ids.push(context.commandId), { kind: 'done' }),
    },
  } as never);
  const agent = { instanceId: 'instance-1', accountId: 'account-1', certificateSerial: '1' };
  const fields = { phase: agentV1.Phase.PHASE_FAILED, stopping: true, error: 'busy', requestId: 'the same' };
  const says = () => handshake.handle(agent, agentV1.ReportPhaseRequest.fromPartial(fields));
  await says();
  await clock.advance(1_000);
  await says();
  expect(ids).toHaveLength(2);
  expect(ids[1]).not.toBe(ids[0]);
});
