import { seededRandom } from '#kernel';
import { HIDDEN_TEXT, HOSTILE_TEXTS } from '../../../test/doubles/hostile-texts.js';
import { ClusterView } from './application/cluster-view.js';
import { followNodes } from './application/node-watch.js';
import { TENANT_ANSWERS } from './testing/tenant-answers.js';
import { tenantCalls } from './testing/tenant-calls.js';

/** Of one text; what is said of several things is a list of those. */
const MOST = 8_000;

const textsIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...textsIn(inner)]);
};

describe('what machines of tenants answer', () => {
  it('has a case for every call that this library makes to them', () => {
    expect(Object.keys(TENANT_ANSWERS).sort()).toEqual(tenantCalls());
    expect(tenantCalls().length).toBeGreaterThan(25);
  });

  it.each(Object.entries(TENANT_ANSWERS))(
    `of %s is short, on one line and shows all it holds, for ${HOSTILE_TEXTS.length} texts`,
    async (_, answer) => {
      const texts = [...HOSTILE_TEXTS, 'x'.repeat(1_000_000), '🚀'.repeat(10_000)];
      for (const text of texts) {
        const told = textsIn(await answer(text));
        expect(told.filter((one) => HIDDEN_TEXT.test(one) || /[\r\n]/.test(one))).toEqual([]);
        expect(Math.max(0, ...told.map((one) => one.length))).toBeLessThanOrEqual(MOST);
        expect(JSON.stringify(told).length).toBeLessThan(64_000);
      }
    },
  );
});

describe('an API server whose nodes have no end', () => {
  it('is read no further than any cluster goes, and asked less and less', async () => {
    const stop = new AbortController();
    const waits: number[] = [];
    let pages = 0;
    const failures: unknown[] = [];
    const core = {
      listNode: async () => {
        pages++;
        return { items: Array.from({ length: 500 }, () => ({ metadata: {} })), metadata: { _continue: 'more' } };
      },
    };
    await followNodes(new ClusterView(() => 0), {
      signal: stop.signal,
      random: seededRandom(1),
      open: async () => ({ core, config: {}, close: async () => undefined }) as never,
      failed: (error) => void failures.push(error),
      timers: {
        after: (ms, run) => {
          waits.push(ms);
          if (waits.length === 8) stop.abort();
          const soon = setImmediate(run);
          return () => clearImmediate(soon);
        },
        every: () => () => undefined,
      },
    });
    expect(String(failures[0])).toContain('has no end');
    expect(pages / failures.length).toBeLessThan(100);
    expect(waits.at(-1)!).toBeGreaterThan(5_000);
  });

  it('leaves no more names behind than any cluster has', () => {
    const view = new ClusterView(() => 0);
    view.listed([]);
    for (let n = 0; n < 50_000; n++) view.deleted(`n${n}`);
    view.deleted('x'.repeat(1_000_000));
    expect((Reflect.get(view, 'seen') as Map<string, unknown>).size).toBeLessThanOrEqual(20_000);
    expect(view.verdict('n49999')).toEqual({ kind: 'unknown' });
  });
});
