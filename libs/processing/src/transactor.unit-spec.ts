import { jest } from '@jest/globals';
import fc from 'fast-check';
import { accept, ManualClock, nothing, refusal, reject, type Decider } from '#kernel';
import { MemoryEventStore, type AppendRequest } from '#event-store';
import type { CommandContext } from './command.js';
import { closed, doorEvents, opened } from './testing/doors.js';
import { doorCatalogue } from './testing/host-fixture.js';
import { Transactor } from './transactor.js';

type Event = ReturnType<(typeof doorEvents)[number]>;
type Ask = 'open' | 'close' | 'break';

const door: Decider<{ open: boolean; changes: number }, Ask, Event> = {
  initial: { open: false, changes: 0 },
  evolve: (state, event) => ({ open: event.type === opened.type, changes: state.changes + 1 }),
  decide: (ask, state) => {
    if (ask === 'break') return reject(refusal(409, 'unbreakable', 'it does not break'));
    if ((ask === 'open') === state.open) return nothing(`already ${ask}`);
    return accept(ask === 'open' ? opened({ door: 'd' }) : closed({ door: 'd', by: 'me' }));
  },
};

const context = (commandId: string): CommandContext => ({
  commandId,
  correlationId: commandId,
  causationId: commandId,
  accountId: 'account-a',
  actor: { kind: 'operator', id: 'op' },
  nowMs: 0,
});

class CountingStore extends MemoryEventStore {
  read = 0;
  override async *readStream(stream: string, fromVersion?: number) {
    for await (const event of super.readStream(stream, fromVersion)) {
      this.read++;
      yield event;
    }
  }
}

describe('the transactor', () => {
  const setUp = () => {
    const store = new CountingStore(new ManualClock());
    return { store, transactor: new Transactor(store, doorCatalogue) };
  };

  it('answers accepted, nothing and refused as the decider says', async () => {
    const { transactor } = setUp();
    expect(await transactor.transact('door-d', door, 'open', context('1'))).toMatchObject({
      kind: 'accepted',
      position: 1n,
    });
    expect(await transactor.transact('door-d', door, 'open', context('2'))).toMatchObject({
      kind: 'nothing',
      reason: 'already open',
      position: 1n,
    });
    const refused = await transactor.transact('door-d', door, 'break', context('3'));
    expect(refused).toMatchObject({ kind: 'refused', refusal: { code: 'unbreakable' } });
  });

  it('recognises a repeated command whatever happened since', async () => {
    const { transactor } = setUp();
    await transactor.transact('door-d', door, 'open', context('1'));
    await transactor.transact('door-d', door, 'close', context('2'));
    const again = await transactor.transact('door-d', door, 'open', context('1'));
    expect(again).toMatchObject({ kind: 'nothing', reason: 'already_done', position: 1n, state: { open: false } });
  });

  it('reads each event of a stream once', async () => {
    const { transactor, store } = setUp();
    for (let i = 0; i < 100; i++)
      await transactor.transact('door-d', door, i % 2 === 0 ? 'open' : 'close', context(`${i}`));
    expect(store.read).toBeLessThanOrEqual(100);
    expect((await transactor.read('door-d', door))!.state.changes).toBe(100);
  });

  it('never decides on an old state while another process writes the same stream', async () => {
    const asks = fc.array(fc.tuple(fc.nat(1), fc.constantFrom<Ask>('open', 'close')), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(asks, async (steps) => {
        const { transactor, store } = setUp();
        const both = [transactor, new Transactor(store, doorCatalogue)];
        let open = false;
        for (const [index, [who, ask]] of steps.entries()) {
          const result = await both[who]!.transact('door-d', door, ask, context(`${index}`));
          expect(result.kind).toBe((ask === 'open') === open ? 'nothing' : 'accepted');
          open = ask === 'open';
        }
      }),
    );
  });

  it('lets a hundred commands at once take turns on one stream, and none of them lose', async () => {
    const { transactor, store } = setUp();
    const append = jest.spyOn(store, 'append');
    const names = Array.from({ length: 100 }, (_, i) => `${i}`);
    const results = await Promise.all(
      names.map((name, i) => transactor.transact('door-d', door, i % 2 === 0 ? 'open' : 'close', context(name))),
    );
    expect(results.map(({ kind }) => kind)).toEqual(names.map(() => 'accepted'));
    expect(append).toHaveBeenCalledTimes(100);
  });

  it('goes on with a stream after the store failed under one of its commands', async () => {
    const { transactor, store } = setUp();
    jest.spyOn(store, 'append').mockRejectedValueOnce(new Error('store away'));
    const [first, second] = await Promise.allSettled([
      transactor.transact('door-d', door, 'open', context('1')),
      transactor.transact('door-d', door, 'open', context('2')),
    ]);
    expect(first).toMatchObject({ status: 'rejected' });
    expect(second).toMatchObject({ status: 'fulfilled', value: { kind: 'accepted' } });
  });

  it('decides anew when it loses a race', async () => {
    const { transactor, store } = setUp();
    const append = store.append.bind(store);
    let raced = false;
    store.append = async (request: AppendRequest) => {
      if (!raced) {
        raced = true;
        await new Transactor(store, doorCatalogue).transact('door-d', door, 'open', context('rival'));
      }
      return append(request);
    };
    const result = await transactor.transact('door-d', door, 'open', context('mine'));
    expect(result).toMatchObject({ kind: 'nothing', reason: 'already open' });
  });
});
