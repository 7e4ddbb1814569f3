import type { RecordedEvent } from '#event-store';
import type { ProcessInput, ProcessOutput } from '#processing';
import { instanceDecider } from '../domain/instance/decide.js';
import type { InstanceEvent, InstanceState } from '../domain/instance/state.js';
import { moduleDeadlines } from './module-deadlines.js';

const instance_id = 'instance-00000000-0000-4000-8000-000000000001';
const assignment_id = '00000000-0000-4000-8000-0000000000aa';
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const event = (type: string, minute: number, data: object = {}): ProcessInput => ({
  kind: 'event',
  event: { type, data: { instance_id, ...data }, meta: { occurredAt: at(minute) } } as unknown as RecordedEvent,
});
const k3s = { assignment_id, module_name: 'k3s-server' };
const assigned = event('system.k3s.module.assigned', 0, k3s);
const online = event('system.instance.online', 20);
const installing = event('system.k3s.runtime.installing', 21, k3s);
const failed = (minute: number, reason: string) =>
  event('system.module.failed', minute, { module_name: 'k3s-server', reason });
const ready = event('system.k3s.handshake.ready', 40, { role: 'server' });
const lost = event('system.instance.lost', 41);

/** When the one timer is due after each of these, in minutes; null when there is none. */
const due = (...inputs: ProcessInput[]) => {
  let { initial: state } = moduleDeadlines;
  let minute: number | null = null;
  for (const input of inputs) {
    const next = moduleDeadlines.react(state, input);
    state = next.state;
    for (const output of next.outputs as readonly ProcessOutput[])
      minute = output.kind === 'timer' ? (output.dueMs - Date.parse(at(0))) / 60_000 : null;
  }
  return minute;
};

describe('a module that does not come to run', () => {
  it('has its time from when the machine is there, and from when it gets further', () => {
    expect(due(assigned)).toBeNull();
    expect(due(assigned, online)).toBe(25);
    expect(due(assigned, online, installing)).toBe(31);
    expect(due(assigned, online, installing, failed(22, 'a'))).toBe(37);
    expect(due(assigned, online, installing, failed(22, 'a'), failed(36, 'b'))).toBe(37);
    expect(due(assigned, online, installing, ready)).toBeNull();
    expect(due(assigned, online, installing, lost)).toBeNull();
    const again = event('system.k3s.node.ready', 42);
    expect(due(assigned, online, installing, ready, failed(41, 'a'), again)).toBeNull();
  });

  it('is told of once for each stay, with the reason and what comes next', () => {
    const known = {
      ...{ kind: 'known', instanceId: instance_id, nodeId: 'n', phase: 'running', lost: false, overdue: null },
      modules: {
        [assignment_id]: { assignmentId: assignment_id, moduleName: 'k3s-server', status: 'failed', error: 'no disk' },
      },
    } as unknown as InstanceState;
    const command = { kind: 'module_overdue', assignmentId: assignment_id, since: at(22), boundMs: 900_000 } as const;
    const decided = instanceDecider.decide({ ...command, status: 'failed' }, known);
    if (decided.kind !== 'accept') throw new Error(decided.kind);
    expect(decided.events[0]).toMatchObject({
      type: 'system.module.overdue',
      data: {
        module_name: 'k3s-server',
        reason: 'no disk',
        bound_seconds: 900,
        next_action: expect.stringContaining('error'),
      },
    });
    const after = decided.events.reduce((s: InstanceState, e: InstanceEvent) => instanceDecider.evolve(s, e), known);
    expect(instanceDecider.decide({ ...command, status: 'failed' }, after).kind).toBe('nothing');
    expect(instanceDecider.decide({ ...command, status: 'installing' }, known).kind).toBe('nothing');
    expect(instanceDecider.decide({ ...command, status: 'failed' }, { ...known, lost: true } as never).kind).toBe(
      'nothing',
    );
  });
});
