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

/** The process and the instance's own stream, which answers what it is asked; what that stream tells of the module. */
const life = () => {
  let { initial: state } = moduleDeadlines;
  let instance = {
    ...{
      kind: 'known',
      instanceId: instance_id,
      nodeId: 'n',
      phase: 'running',
      lost: false,
      overdue: null,
      modules: {},
    },
  } as unknown as InstanceState;
  const told: object[] = [];
  const asked: object[] = [];
  const evolve = (e: InstanceEvent) => (instance = instanceDecider.evolve(instance, e));
  const answer = (payload: Record<string, never>) => {
    const { assignment_id: assignmentId, failures, since, until } = payload;
    const decided = instanceDecider.decide(
      { kind: 'module_recovered', assignmentId, failures, since, until } as never,
      instance,
    );
    if (decided.kind === 'reject') throw new Error(decided.refusal.code);
    for (const one of decided.kind === 'accept' ? decided.events : []) {
      evolve(one);
      told.push(one.data);
    }
    const command = 'fleet.record_module_recovered';
    state = moduleDeadlines.react(state, { kind: 'command_result', command, outcome: 'done', payload }).state;
  };
  return {
    told,
    asked,
    /** With `answers: false` the process only takes them in, as a build did that could not tell a recovery. */
    after(inputs: readonly ProcessInput[], { answers = true } = {}) {
      for (const input of inputs) {
        if (input.kind === 'event') evolve(input.event as never);
        const next = moduleDeadlines.react(state, input);
        state = next.state;
        for (const output of next.outputs) if (output.kind === 'command') asked.push(output.payload);
        for (const output of next.outputs)
          if (answers && output.kind === 'command' && output.type.endsWith('recovered'))
            answer(output.payload as never);
      }
      return this;
    },
    /** The stream alone: the process is late. */
    alone(input: ProcessInput) {
      if (input.kind === 'event') evolve(input.event as never);
      return this;
    },
  };
};

describe('a module that runs after it was told as failed or overdue', () => {
  const began = [assigned, online, installing];
  const again = (minute: number) => event('system.k3s.node.ready', minute);

  it('is told as recovered once, from its first failure on', () => {
    const { told } = life().after([...began, failed(22, 'a'), failed(30, 'b'), ready, again(41), online]);
    const over = {
      ...k3s,
      instance_id,
      from: 'failed',
      to: 'running',
      reason: 'b',
      since: at(22),
      lasted_seconds: 1_080,
    };
    expect(told).toEqual([over]);
  });

  it('is not where nothing was told, and is each time', () => {
    expect(life().after([...began, ready, again(41), online]).asked).toEqual([]);
    const { told } = life().after([...began, ready, failed(42, 'a'), again(44), failed(50, 'a'), again(53)]);
    expect(told).toMatchObject([
      { since: at(42), lasted_seconds: 120 },
      { since: at(50), lasted_seconds: 180 },
    ]);
  });

  it('is when its installation had been told as overdue, also where that was told a moment too late', () => {
    const data = { ...k3s, state: 'installing', since: at(21), reason: 'it was installed, and has not come to run' };
    const overdue = event('system.module.overdue', 31, data);
    const over = [{ from: 'installing', since: at(21), lasted_seconds: 1_140 }];
    expect(life().after([...began, overdue, ready]).told).toMatchObject(over);
    expect(life().after([...began, ready, overdue]).told).toMatchObject(over);
  });

  it('is not while it has failed once more, of which the process has not heard yet', () => {
    const late = life()
      .after([...began, failed(22, 'a')])
      .alone(failed(41, 'a'));
    expect(late.after([ready]).told).toEqual([]);
    expect(late.asked).toHaveLength(1);
  });

  it('is also when it had recovered before this was told, with the next that is heard of the instance', () => {
    const old = life().after([...began, failed(22, 'a'), ready], { answers: false });
    expect(old.told).toEqual([]);
    expect(old.after([lost, online]).told).toMatchObject([{ since: at(22), lasted_seconds: 1_080 }]);
    expect(old.asked).toHaveLength(2);
  });
});

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
