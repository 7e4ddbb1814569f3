import type { ProcessInput, ProcessOutput } from '#processing';
import type { RecordedEvent } from '#event-store';
import { departureManager, MAX_ATTEMPTS } from './departure-manager.js';

const ids = { cluster_id: 'cluster-1', instance_id: 'instance-1' };
const event = (type: string, data: object = {}): ProcessInput => ({
  kind: 'event',
  event: { type, recordedAt: '2026-01-01T00:00:00.000Z', data: { ...ids, ...data } } as unknown as RecordedEvent,
});
const ready = event('system.k3s.handshake.ready', { node_name: 'n' });
const removed = event('system.k3s.node.removed', { reason: 'forgotten' });
const timer: ProcessInput = { kind: 'timer', name: 'retry', dueMs: 0, data: {} };
const answered = (outcome: 'done' | 'refused'): ProcessInput => ({
  kind: 'command_result',
  command: 'kubernetes.clean_up_node',
  outcome,
  message: 'no server answers',
  payload: {},
});

const after = (...inputs: ProcessInput[]) => {
  let state = departureManager.initial;
  let outputs: readonly ProcessOutput[] = [];
  for (const input of inputs) ({ state, outputs } = departureManager.react(state, input));
  return outputs;
};
const commands = (outputs: readonly ProcessOutput[]) => outputs.flatMap((o) => (o.kind === 'command' ? [o.type] : []));

describe('what a removed member leaves in Kubernetes', () => {
  it('is cleaned up by the name that it was ready under', () => {
    expect(after(ready, removed)).toContainEqual({
      kind: 'command',
      type: 'kubernetes.clean_up_node',
      payload: { ...ids, node_name: 'n' },
    });
  });

  it('is nothing when it never had a Node', () => {
    expect(commands(after(removed))).toEqual([]);
  });

  it('is tried again until it is done, and then no more', () => {
    expect(commands(after(ready, removed, answered('refused'), timer))).toEqual(['kubernetes.clean_up_node']);
    expect(after(ready, removed, answered('done'))).toEqual([{ kind: 'cancel_timer', name: 'retry' }]);
    expect(after(ready, removed, answered('done'), timer)).toEqual([]);
  });

  it('is given up after a bounded number of tries, with the last reason', () => {
    const tries = Array.from({ length: MAX_ATTEMPTS - 1 }, () => [answered('refused'), timer]).flat();
    expect(after(ready, removed, ...tries, answered('refused'), timer)).toContainEqual(
      expect.objectContaining({
        type: 'kubernetes.record_clean_up_failed',
        payload: { ...ids, node_name: 'n', reason: 'no server answers' },
      }),
    );
  });

  it('is left alone once the instance is a member again', () => {
    expect(after(ready, removed, ready)).toEqual([{ kind: 'cancel_timer', name: 'retry' }]);
    expect(after(ready, removed, ready, timer)).toEqual([]);
  });
});
