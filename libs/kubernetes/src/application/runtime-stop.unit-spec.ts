import { agentV1 } from '#proto';
import type { CommandContext, CommandDispatcher } from '#processing';
import { runtimeStop } from './runtime-stop.js';

it('asks anew each time, for of a second stop the words may be those of the first, and the stream knows what was told', async () => {
  const ids: string[] = [];
  const dispatcher = {
    dispatch: async ({ context }: { context: CommandContext }) => (ids.push(context.commandId), { kind: 'done' }),
  } as unknown as CommandDispatcher;
  const deps = { directory: { clusterOfMember: () => undefined }, clusters: {} as never, dispatcher };
  const agent = { instanceId: 'instance-1', accountId: 'account-1', certificateSerial: '1' };
  const request = agentV1.ReportPhaseRequest.fromPartial({ phase: agentV1.Phase.PHASE_FAILED, error: 'busy' });
  const said = (nowMs: number) =>
    runtimeStop(deps, agent, 'k3s-agent', request, { commandId: 'the same', nowMs } as CommandContext);
  for (const nowMs of [1, 1, 2]) await said(nowMs);
  expect(ids[1]).toBe(ids[0]);
  expect(ids[2]).not.toBe(ids[0]);
});
