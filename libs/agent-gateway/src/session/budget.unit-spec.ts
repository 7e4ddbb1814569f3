import { Budget } from './budget.js';

describe('a budget', () => {
  it('lets a burst through, then so many a second', () => {
    const budget = new Budget(3, 2, 0);
    const taken = (nowMs: number) => [1, 2, 3, 4].filter(() => budget.take(nowMs)).length;
    expect([taken(0), taken(0), taken(1_000), taken(60_000)]).toEqual([3, 0, 2, 3]);
  });

  it('is not spent by having begun later than now, as the record of an agent that is expected back does', () => {
    expect(new Budget(1, 1, 30_000).take(0)).toBe(true);
  });
});
