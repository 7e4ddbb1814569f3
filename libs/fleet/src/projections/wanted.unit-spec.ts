import type { RecordedEvent } from '#event-store';
import { bareMachine, wantedAfter } from './wanted.js';

const event = (position: number, name: string, data: object = {}) =>
  ({ type: `system.${name}`, position: BigInt(position), data }) as unknown as RecordedEvent;
const applied = (position: number, generation: number) =>
  event(position, 'module.generation_applied', { generation: String(generation) });
const after = (...events: readonly RecordedEvent[]) => {
  const { generation, observed } = events.reduce(wantedAfter, bareMachine);
  return [generation, observed];
};

describe('the generation of an instance', () => {
  const online = event(4, 'instance.online');

  it('is observed once the machine is there, and not before', () => {
    expect(after()).toEqual([1, null]);
    expect(after(online)).toEqual([1, 1]);
    expect(after(event(2, 'module.assigned'))).toEqual([2, null]);
  });

  it('counts the changes of its own, and is observed as far as the agent’s receipts go', () => {
    const changes = [event(10, 'k3s.module.assigned'), event(2_000, 'module.removed')];
    expect(after(online, ...changes)).toEqual([3, 1]);
    expect(after(online, ...changes, applied(2_001, 11))).toEqual([3, 2]);
    expect(after(online, ...changes, applied(2_001, 2_000))).toEqual([3, 3]);
  });

  it('never goes back: a receipt that comes late or again says nothing new', () => {
    const done = [online, event(10, 'docker.module.assigned'), applied(12, 11)];
    expect(after(...done, applied(13, 9), applied(14, 11))).toEqual([2, 2]);
    expect(after(...done, online, event(20, 'instance.returned'))).toEqual([2, 2]);
  });

  it('is observed after more changes than are kept', () => {
    const many = Array.from({ length: 100 }, (_, i) => event(10 + i, 'module.assigned'));
    expect(after(online, ...many)).toEqual([101, 1]);
    expect(after(online, ...many, applied(200, 109))).toEqual([101, 101]);
  });
});
