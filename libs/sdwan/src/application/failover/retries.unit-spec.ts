import { Retries } from './retries.js';

const setUp = () => {
  let now = 0.9;
  const due: (() => void)[] = [];
  const looks: [string, boolean][] = [];
  const timers = {
    after: (_: number, run: () => void) => {
      due.push(run);
      return () => void due.splice(due.indexOf(run), 1);
    },
  };
  const retries: Retries = new Retries({ monotonicMs: () => now }, timers, (vipId) =>
    looks.push([vipId, retries.waits(vipId)]),
  );
  /** The timers go off, at a moment of the clock's. */
  const fire = (at: number) => {
    now = at;
    for (const run of due.splice(0)) run();
  };
  return { retries, looks, fire };
};

describe('virtual IPs that are left alone for a moment', () => {
  it('are looked at when their timer goes off, also where that is a fraction of a millisecond early', () => {
    const { retries, looks, fire } = setUp();
    retries.in('vip', 200);
    expect(retries.waits('vip')).toBe(true);
    fire(200.4);
    expect(looks).toEqual([['vip', false]]);
  });

  it('are looked at all the same when a change elsewhere ended their wait, and not only at the next tick', () => {
    const { retries, looks, fire } = setUp();
    retries.in('vip', 200);
    retries.clear();
    expect(retries.waits('vip')).toBe(false);
    fire(201);
    expect(looks).toEqual([['vip', false]]);
  });
});
