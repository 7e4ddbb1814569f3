import fc from 'fast-check';
import { backoffMs, isoTime, sleep } from './clock.js';
import { requireNode24 } from './node-version.js';
import { ManualClock, seededRandom, sequentialIds } from './testing/manual-clock.js';

describe('ManualClock', () => {
  it('runs what is due in the order of time, ties in the order made, and shows each its own time', async () => {
    const clock = new ManualClock(0);
    const ran: string[] = [];
    const note = (name: string) => () => void ran.push(`${name}@${clock.wallMs()}`);
    clock.after(20, note('late'));
    clock.after(10, note('first'));
    clock.after(10, note('second'));
    clock.after(31, note('never'));
    await clock.advance(30);
    expect(ran).toEqual(['first@10', 'second@10', 'late@20']);
    expect(clock.monotonicMs()).toBe(30);
  });

  it('repeats until cancelled', async () => {
    const clock = new ManualClock(0);
    const at: number[] = [];
    const cancel = clock.every(10, () => void at.push(clock.wallMs()));
    await clock.advance(35);
    cancel();
    await clock.advance(100);
    expect(at).toEqual([10, 20, 30]);
  });

  it('runs within the same advance what a callback or its promises plan', async () => {
    const clock = new ManualClock(0);
    const ran: number[] = [];
    clock.after(10, () => {
      void Promise.resolve().then(() => clock.after(5, () => void ran.push(clock.wallMs())));
    });
    await clock.advance(15);
    expect(ran).toEqual([15]);
  });
});

describe('sleep', () => {
  it('ends after its time', async () => {
    const clock = new ManualClock(0);
    let awake = false;
    void sleep(clock, 10).then(() => (awake = true));
    await clock.advance(9);
    expect(awake).toBe(false);
    await clock.advance(1);
    expect(awake).toBe(true);
  });

  it('ends at once when aborted, before or during, and never rejects', async () => {
    const clock = new ManualClock(0);
    const during = new AbortController();
    const slept = sleep(clock, 1_000, during.signal);
    during.abort();
    await expect(slept).resolves.toBeUndefined();
    await expect(sleep(clock, 1_000, AbortSignal.abort())).resolves.toBeUndefined();
  });
});

it('backs off between half the base and the cap, whatever the attempt', () => {
  const attempt = fc.integer({ min: 0, max: 5_000 });
  const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(attempt, unit, (n, chance) => {
      const ms = backoffMs(n, () => chance, 250, 30_000);
      expect(ms).toBeGreaterThanOrEqual(125);
      expect(ms).toBeLessThanOrEqual(125 + Math.min(30_000, 250 * 2 ** n));
    }),
  );
  expect([0, 1, 2, 3].map((n) => backoffMs(n, () => 0.5, 100, 10_000))).toEqual([100, 150, 250, 450]);
});

it('writes times as ISO 8601 with milliseconds', () => expect(isoTime(1)).toBe('1970-01-01T00:00:00.001Z'));

it('gives the same chance from the same seed', () => {
  const [a, b, c] = [seededRandom(7), seededRandom(7), seededRandom(8)];
  expect(a.bytes(8)).toEqual(b.bytes(8));
  expect(a.unit()).not.toBe(c.unit());
  const ids = sequentialIds();
  expect([ids.uuid(), ids.uuid()]).toEqual([
    '00000000-0000-4000-8000-000000000001',
    '00000000-0000-4000-8000-000000000002',
  ]);
});

describe('requireNode24', () => {
  const refuse = (version: string): string => {
    let said = '';
    requireNode24(version, (message) => {
      said = message;
      return undefined as never;
    });
    return said;
  };

  it.each(['v24.0.0', 'v24.21.0', 'v25.1.0', 'v100.0.0'])('lets %s run', (version) => expect(refuse(version)).toBe(''));
  it.each(['v20.20.2', 'v22.99.0', 'v9.0.0'])('refuses %s and says how to start instead', (version) => {
    expect(refuse(version)).toContain(`Drover needs Node 24; this is ${version}`);
    expect(refuse(version)).toContain('npm start');
  });
});
