import { ManualClock, silentLog } from '#kernel';
import { AgentRecord } from '../session/agent-record.js';
import { beat, FAST_BEATS, LeaseJudge, type Beats } from './leases.js';
import { Settling } from './settling.js';

const beats: Beats = { beatMs: 1_000, leaseMs: 3_000, vipBeatMs: 200, vipLeaseMs: 600 };
const record = (atMs = 0) =>
  new AgentRecord({ instanceId: 'i', accountId: 'a', certificateSerial: '1' }, atMs, [], silentLog);

/** Ticks every 50 ms from `from` to `to`; answers when the record was found lost. */
const run = (judge: LeaseJudge, one: AgentRecord, from: number, to: number): number | undefined => {
  for (let t = from; t <= to; t += 50) if (judge.tick([one], t, beats).lost.length > 0) return t;
  return undefined;
};

describe('leases', () => {
  it('run out after their length without a beat, once', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
    beat(one, 1_000, beats);
    expect(run(judge, one, 50, 9_000)).toBe(4_050);
    expect(run(judge, one, 4_100, 9_000)).toBeUndefined();
  });

  it('are short only for a candidate that was seen to beat fast', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
    one.vipCandidate = true;
    beat(one, 0, beats);
    beat(one, 1_000, beats);
    expect(run(judge, one, 50, 2_000)).toBeUndefined();
    for (let n = 1; n <= FAST_BEATS; n++) {
      beat(one, 2_000 + (n - 1) * 200, beats);
      expect(run(judge, one, 2_050 + (n - 1) * 200, 2_000 + n * 200)).toBeUndefined();
    }
    const last = 2_000 + FAST_BEATS * 200;
    beat(one, last, beats);
    expect(run(judge, one, last + 50, last + 7_000)).toBe(last + 650);
  });

  it('are extended by the delay of a tick that comes late, and nothing is judged at that tick', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
    beat(one, 0, beats);
    expect(run(judge, one, 50, 1_000)).toBeUndefined();
    // Asleep for 2 s.
    expect(judge.tick([one], 3_050, beats).lost).toEqual([]);
    expect(run(judge, one, 3_100, 20_000)).toBe(5_050);
  });

  it('leave time to come back after a sleep in which agents hang up, until the first beat', () => {
    const asleep = () => {
      const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
      one.vipCandidate = true;
      for (let t = 0; t <= 1_000; t += 200) beat(one, t, beats);
      expect(run(judge, one, 50, 1_000)).toBeUndefined();
      // Asleep for 8 s.
      expect(judge.tick([one], 9_050, beats).lost).toEqual([]);
      return { judge, one };
    };
    const gone = asleep();
    expect(run(gone.judge, gone.one, 9_100, 60_000)).toBe(39_100);
    const back = asleep();
    expect(run(back.judge, back.one, 9_100, 20_000)).toBeUndefined();
    beat(back.one, 20_000, beats);
    // Not beating fast for long enough to be judged fast.
    expect(run(back.judge, back.one, 20_050, 60_000)).toBe(23_050);
  });
});

describe('many leases at once', () => {
  /** Agents, beating fast until they fall silent; answers when each was found lost. */
  const fleet = (silentFrom: readonly (number | undefined)[], to: number) => {
    const judge = new LeaseJudge(50, 100, 0);
    const records = silentFrom.map(() => Object.assign(record(), { vipCandidate: true }));
    const lostAt = silentFrom.map((): number | undefined => undefined);
    for (let t = 50; t <= to; t += 50) {
      records.forEach((one, n) => {
        if ((t + n * 50) % 200 === 0 && t < (silentFrom[n] ?? Infinity)) beat(one, t, beats);
      });
      for (const one of judge.tick(records, t, beats).lost) lostAt[records.indexOf(one)] = t;
    }
    return lostAt;
  };

  it('of which few run out are judged at their length', () => {
    const [a, b, ...others] = fleet([5_000, 5_000, undefined, undefined, undefined], 9_000);
    expect([a, b].every((t) => t! <= 5_700)).toBe(true);
    expect(others).toEqual([undefined, undefined, undefined]);
  });

  it('are counted among those that are judged alike: two of three candidates are most of them', () => {
    const judge = new LeaseJudge(50, 100, 0);
    const candidates = Array.from({ length: 3 }, () => Object.assign(record(), { vipCandidate: true }));
    const worker = record();
    const lost = [];
    for (let t = 50; t <= 7_500; t += 50) {
      if (t % 200 === 0) for (const one of candidates) if (t < 5_000 || one === candidates[0]) beat(one, t, beats);
      if (t % 1_000 === 0) beat(worker, t, beats);
      lost.push(...judge.tick([...candidates, worker], t, beats).lost);
    }
    expect(lost).toEqual([]);
  });

  it('of which most run out together get one more, slow one, and no second', () => {
    const [a, b, c, d] = fleet([5_000, 5_000, 5_000, undefined], 15_000);
    for (const t of [a, b, c]) expect(t! > 8_000 && t! < 9_000).toBe(true);
    expect(d).toBeUndefined();
  });

  it('are forgotten by a beat in time', () => {
    const judge = new LeaseJudge(50, 100, 0);
    const records = [record(), record()];
    for (const one of records) beat(one, 0, beats);
    const seen = [];
    for (let t = 50; t <= 9_000; t += 50) {
      if (t === 5_000) for (const one of records) beat(one, t, beats);
      seen.push(...judge.tick(records, t, beats).lost);
    }
    expect(seen).toEqual([]);
  });
});

describe('settling of a generation', () => {
  it('is told once, with who is behind when the bound passes', async () => {
    const clock = new ManualClock(0);
    const told: object[] = [];
    const settling = new Settling(clock.after.bind(clock), (event) => told.push(event));
    for (const id of ['x', 'y', 'z']) settling.sent('n', 7n, id, 0);
    settling.applied('n', 7n, 'x', 10);
    settling.applied('n', 9n, 'y', 30);
    settling.applied('other', 9n, 'z', 30);
    await clock.advance(10_000);
    expect(told).toEqual([{ section: 'n', generation: 7n, applied: 2, behind: ['z'], p50Ms: 30, p99Ms: 30 }]);
    settling.sent('n', 8n, 'x', 0);
    settling.applied('n', 8n, 'x', 4);
    expect(told).toHaveLength(2);
  });
});
