import { ManualClock, silentLog } from '#kernel';
import { AgentRecord } from '../session/agent-record.js';
import { beat, FAST_BEATS, LeaseJudge, type Beats } from './leases.js';
import { Settling } from './settling.js';

const beats: Beats = { beatMs: 1_000, leaseMs: 3_000, vipBeatMs: 200, vipLeaseMs: 600 };
const record = (atMs = 0) =>
  new AgentRecord({ instanceId: 'i', accountId: 'a', certificateSerial: '1' }, atMs, [], silentLog);

/** Ticks every 50 ms from `from` to `to`; answers when the record was found lost, or suspected. */
const run = (judge: LeaseJudge, one: AgentRecord, from: number, to: number, what: 'lost' | 'suspected' = 'lost') => {
  for (let t = from; t <= to; t += 50) if (judge.tick([one], t, beats)[what].length > 0) return t;
  return undefined;
};
const candidate = (atMs = 0) => Object.assign(record(atMs), { vipCandidate: true });

describe('leases', () => {
  it('run out after their length without a beat, once', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
    beat(one, 1_000, beats);
    expect(run(judge, one, 50, 9_000)).toBe(4_050);
    expect(run(judge, one, 4_100, 9_000)).toBeUndefined();
  });

  const beatFast = (judge: LeaseJudge, one: AgentRecord, from: number): number => {
    for (let n = 0; n < FAST_BEATS; n++) {
      beat(one, from + n * 200, beats);
      expect(run(judge, one, from + 50 + n * 200, from + (n + 1) * 200, 'suspected')).toBeUndefined();
    }
    beat(one, from + FAST_BEATS * 200, beats);
    return from + FAST_BEATS * 200;
  };

  it('make a candidate that was seen to beat fast suspected after the short one, and lost only after the long one', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), candidate()];
    beat(one, 0, beats);
    beat(one, 1_000, beats);
    expect(run(judge, one, 50, 2_000, 'suspected')).toBeUndefined();
    const last = beatFast(judge, one, 2_000);
    expect(run(judge, one, last + 50, last + 2_000, 'suspected')).toBe(last + 650);
    expect(run(judge, one, last + 700, last + 7_000)).toBe(last + 3_050);
  });

  it('make nobody suspected who is no candidate, however it beats', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
    const last = beatFast(judge, one, 0);
    expect(run(judge, one, last + 50, last + 7_000, 'suspected')).toBeUndefined();
  });

  it('are not made short by beats that waited in the socket of a platform that was asleep', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), candidate()];
    const last = beatFast(judge, one, 0);
    expect(judge.tick([one], last + 60_000, beats)).toMatchObject({ suspected: [], lost: [] });
    // The agent has hung up meanwhile; what it had said before is still read.
    for (let n = 0; n < 30; n++) beat(one, last + 60_001 + n / 10, beats);
    expect(run(judge, one, last + 60_050, last + 63_000, 'suspected')).toBeUndefined();
    expect(run(judge, one, last + 63_050, last + 120_000)).toBe(last + 90_050);
  });

  it('are extended by the delay of a tick that comes late, and nothing is judged at that tick', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), record()];
    beat(one, 0, beats);
    expect(run(judge, one, 50, 1_000)).toBeUndefined();
    // Asleep for 2 s.
    expect(judge.tick([one], 3_050, beats).lost).toEqual([]);
    expect(run(judge, one, 3_100, 20_000)).toBe(5_050);
  });

  it('are not extended for ever where every tick comes late: who is dead is suspected, and nobody else', () => {
    const [judge, dead, others] = [new LeaseJudge(20, 80, 0), candidate(), [candidate(), candidate()]];
    const suspected: [number, boolean][] = [];
    for (let t = 0; t <= 9_000; t += 20) {
      if (t % 200 === 0) for (const one of t <= 5_000 ? [dead, ...others] : others) beat(one, t, beats);
      // The event loop is blocked for 120 ms at a time from here on.
      if (t < 4_000 || t % 120 === 0)
        for (const one of judge.tick([dead, ...others], t, beats).suspected) suspected.push([t, one === dead]);
    }
    expect(suspected).toEqual([[expect.any(Number), true]]);
    expect(suspected[0]![0]).toBeLessThan(5_000 + 2 * beats.vipLeaseMs + 300);
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
    for (const t of [20_000, 20_200, 20_400]) beat(back.one, t, beats);
    expect(run(back.judge, back.one, 20_050, 60_000)).toBe(23_450);
  });

  it('leave a candidate in peace for five seconds after a sleep, and then suspect who has not come back', () => {
    const [judge, one] = [new LeaseJudge(50, 100, 0), candidate()];
    const last = beatFast(judge, one, 0);
    expect(judge.tick([one], last + 8_000, beats).suspected).toEqual([]);
    expect(run(judge, one, last + 8_050, last + 30_000, 'suspected')).toBe(last + 13_050);
  });
});

describe('many leases at once', () => {
  /** Agents, beating fast until they fall silent; answers when each was suspected and when found lost. */
  const fleet = (silentFrom: readonly (number | undefined)[], to: number) => {
    const judge = new LeaseJudge(50, 100, 0);
    const records = silentFrom.map(() => candidate());
    const suspectedAt = silentFrom.map((): number | undefined => undefined);
    const lostAt = [...suspectedAt];
    for (let t = 50; t <= to; t += 50) {
      records.forEach((one, n) => {
        if ((t + n * 50) % 200 === 0 && t < (silentFrom[n] ?? Infinity)) beat(one, t, beats);
      });
      const { suspected, lost } = judge.tick(records, t, beats);
      for (const one of suspected) suspectedAt[records.indexOf(one)] ??= t;
      for (const one of lost) lostAt[records.indexOf(one)] = t;
    }
    return { suspectedAt, lostAt };
  };

  it('of which few run out are judged at their length', () => {
    const { suspectedAt, lostAt } = fleet([5_000, 5_000, undefined, undefined, undefined], 9_000);
    expect(suspectedAt.slice(0, 2).every((t) => t! <= 5_700)).toBe(true);
    expect(lostAt.slice(0, 2).every((t) => t! >= 7_700 && t! <= 8_100)).toBe(true);
    for (const others of [suspectedAt, lostAt]) expect(others.slice(2)).toEqual([undefined, undefined, undefined]);
  });

  it('are counted among those that are judged alike: two of three candidates are most of them', () => {
    const judge = new LeaseJudge(50, 100, 0);
    const candidates = Array.from({ length: 3 }, () => candidate());
    const worker = record();
    const lost = [];
    for (let t = 50; t <= 7_500; t += 50) {
      if (t % 200 === 0) for (const one of candidates) if (t < 5_000 || one === candidates[0]) beat(one, t, beats);
      if (t % 1_000 === 0) beat(worker, t, beats);
      const judgement = judge.tick([...candidates, worker], t, beats);
      lost.push(...judgement.lost, ...judgement.suspected);
    }
    expect(lost).toEqual([]);
  });

  it('do not make a dead candidate wait for long because another one was late in that very moment', () => {
    const judge = new LeaseJudge(20, 80, 0);
    const [dead, late, third] = [candidate(), candidate(), candidate()];
    const seen: { at: number; suspected: number; doubted: number }[] = [];
    for (let t = 20; t <= 9_000; t += 20) {
      if (t % 200 === 0) {
        if (t <= 5_000) beat(dead, t, beats);
        if (t !== 5_400 && t !== 5_600) beat(late, t, beats);
        beat(third, t, beats);
      }
      const { suspected, doubted } = judge.tick([dead, late, third], t, beats);
      if (suspected.length + doubted.length > 0)
        seen.push({ at: t, suspected: suspected.indexOf(dead), doubted: doubted.length });
    }
    // Two of three are doubted; the next beat of one of them shows that the other is alone.
    expect(seen.slice(0, 2)).toEqual([
      { at: 5_620, suspected: -1, doubted: 2 },
      { at: 5_800, suspected: 0, doubted: 0 },
    ]);
    expect([dead.suspected, late.suspected, third.suspected]).toEqual([true, false, false]);
  });

  it('of which most run out together get one more, slow one, and no second', () => {
    const { suspectedAt, lostAt } = fleet([5_000, 5_000, 5_000, undefined], 15_000);
    for (const t of [...suspectedAt, ...lostAt].filter((at) => at !== undefined))
      expect(t > 8_000 && t < 9_000).toBe(true);
    expect([suspectedAt, lostAt].map((at) => at.map((t) => t !== undefined))).toEqual([
      [true, true, true, false],
      [true, true, true, false],
    ]);
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
