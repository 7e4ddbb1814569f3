import { endings, ownCertificates, programs, sealed } from './doctor-keeping.js';

const NOW = Date.parse('2026-06-01T00:00:00.000Z');
const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(NOW + days * DAY_MS).toISOString();
const settings = { url: 'http://platform.test', token: 't', json: false };

describe('what ends', () => {
  const ending = (name: string, days: number) => ({
    name,
    end: inDays(days),
    soonMs: 7 * DAY_MS,
    repair: `renew ${name}`,
  });

  it('is one line while none ends soon, and names the first to end', () => {
    const found = endings('certificates', [ending('a', 20), ending('b', 10)], NOW);
    expect(found).toEqual([
      { check: 'certificates', verdict: 'ok', evidence: `2, the first to end: b, in 10 days (${inDays(10)})` },
    ]);
    expect(endings('certificates', [], NOW)).toEqual([]);
  });

  it('is a line for each that should be renewed by now, a failure once it has ended, and what repairs it', () => {
    const found = endings('certificates', [ending('fine', 20), ending('soon', 3), ending('over', -1)], NOW);
    expect(found).toMatchObject([
      { verdict: 'fail', evidence: expect.stringContaining('over ended'), repair: 'renew over' },
      { verdict: 'warn', evidence: expect.stringContaining('soon ends in 3 days'), repair: 'renew soon' },
    ]);
  });

  it('is not told by a platform of before', () => {
    expect([ownCertificates({}), sealed(settings, {}, NOW)]).toEqual([[], []]);
  });
});

describe('the audit seal', () => {
  const verdict = (last: string | null, since: string | null, every?: number) =>
    sealed(settings, { audit: { last_seal_at: last, waiting_since: since, seal_seconds: every } }, NOW)[0]!;

  it('may be old while nothing waits for the next one', () => {
    expect(verdict(inDays(-30), null)).toMatchObject({
      verdict: 'ok',
      evidence: expect.stringContaining('30 days old'),
    });
    expect(verdict(null, null).verdict).toBe('ok');
    expect(verdict(inDays(-1), inDays(-0.001)).verdict).toBe('ok');
  });

  it('is made as configured: what may wait for an hour fails nothing before two', () => {
    const minutesAgo = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();
    expect(verdict(minutesAgo(90), minutesAgo(90), 3_600).verdict).toBe('ok');
    expect(verdict(minutesAgo(121), minutesAgo(121), 3_600).verdict).toBe('fail');
    expect([verdict(null, minutesAgo(9), 1).verdict, verdict(null, minutesAgo(11), 1).verdict]).toEqual(['ok', 'fail']);
    expect([verdict(null, minutesAgo(9)).verdict, verdict(null, minutesAgo(11)).verdict]).toEqual(['ok', 'fail']);
  });

  it('fails once an event has waited for long, and a seal now is what --fix does', () => {
    expect(verdict(inDays(-3), inDays(-2))).toMatchObject({ verdict: 'fail', repair: 'drover audit seal' });
    expect(verdict(null, inDays(-2)).fix).toBeDefined();
  });
});

describe('the k3s program', () => {
  const node = (name: string, is: string | null, wanted: string | null = null, cluster = 'prod') => ({
    ...{ cluster, name, binary_digest: is, wanted_digest: wanted },
  });
  const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];

  it('is right where it is the one that was asked for, and no failure where a node was not heard', () => {
    const silent = 'not heard within a minute by this process: n2 of prod';
    expect(programs([node('n1', A, A), node('n2', null, A)])).toEqual([
      { check: 'k3s program', verdict: 'ok', evidence: `1 of 2 nodes have the one that they are to have; ${silent}` },
    ]);
    expect(programs([node('n2', null, A)])).toEqual([{ check: 'k3s program', verdict: 'ok', evidence: silent }]);
    expect(programs([node('n1', null)])).toEqual([]);
    const many = ['n1', 'n2', 'n3', 'n4', 'n5'].map((name) => node(name, null, A));
    expect(programs(many)[0]!.evidence).toMatch(/n3 of prod and 2 more$/);
  });

  it('fails where another lies', () => {
    expect(programs([node('n1', B, A), node('n2', A, A)])).toMatchObject([
      { verdict: 'fail', evidence: 'n1 of prod has bbbbbbbbbbbb, and is to have aaaaaaaaaaaa' },
    ]);
  });

  it('is worth a look where nobody said which and the nodes of one cluster have several', () => {
    expect(programs([node('n1', A), node('n2', B)])).toMatchObject([{ verdict: 'warn' }]);
    expect(programs([node('n1', A), node('n2', B, null, 'other')])).toMatchObject([{ verdict: 'ok' }]);
    const same = 'nobody said which the 2 nodes are to have, and all have aaaaaaaaaaaa';
    expect(programs([node('n1', A), node('n2', A)])).toMatchObject([{ verdict: 'ok', evidence: same }]);
  });
});
