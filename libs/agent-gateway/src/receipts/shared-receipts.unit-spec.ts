import { ManualClock, silentLog } from '#kernel';
import type { AgentLiveness } from '../ports.js';
import type { ReceiptTable, SharedReceipt } from './receipt-table.js';
import { SharedReceipts } from './shared-receipts.js';

const live: AgentLiveness = {
  connected: true,
  silentMs: 0,
  lost: false,
  applied: new Map([['s', 5n]]),
  sent: new Map([['s', 5n]]),
};
const away: AgentLiveness = { ...live, connected: false, sent: undefined };
const textOf = ({ instanceId, section, applied }: SharedReceipt) => `${instanceId} ${section} ${applied}`;

const setUp = (own: (instanceId: string) => AgentLiveness = () => live) => {
  const clock = new ManualClock(0);
  const world = {
    away: false,
    term: 1 as number | undefined,
    wanted: new Map<string, ReadonlySet<string> | undefined>(),
    rows: new Map<string, string[]>(),
    news: [] as SharedReceipt[],
  };
  const done: string[] = [];
  const step = async (what: string) => {
    if (world.away) throw new Error('the database is away');
    done.push(what);
  };
  const table: ReceiptTable = {
    begin: (term) => step(`begin ${term}`),
    write: (term, receipts) => step(`${term}: ${receipts.map(textOf).join()}`),
    sections: async () => world.rows,
    drop: (term, keys) => step(`${term}: drop ${keys.map((k) => `${k.instanceId} ${k.section}`).join()}`),
    after: async (change) => {
      if (world.away) throw new Error('the database is away');
      return { receipts: world.news.slice(Number(change)), through: BigInt(world.news.length) };
    },
  };
  const receipts = new SharedReceipts(table, clock, silentLog, own, {
    term: () => world.term,
    wanted: (id) => world.wanted.get(id),
  });
  receipts.start();
  return { clock, world, done, receipts };
};

describe('what nodes have applied, as the leader writes it down', () => {
  it('does not leave streams of the former leader standing because the database was away when this one took over', async () => {
    const { clock, world, done, receipts } = setUp();
    world.away = true;
    receipts.lead(true);
    receipts.touch('i');
    await clock.advance(2_500);
    expect(done).toEqual([]);
    world.away = false;
    await clock.advance(2_500);
    // In this order: what is written of a stream that is here must not be forgotten with the others.
    expect(done).toEqual(['begin 1', '1: i s 5']);
    receipts.stop();
  });

  it('is written in the leader’s term, not while it has none, and once more in a later one of its own', async () => {
    const { clock, world, done, receipts } = setUp();
    receipts.lead(true);
    receipts.touch('i');
    await clock.advance(1_500);
    world.term = undefined;
    receipts.touch('j');
    await clock.advance(1_500);
    expect(done).toEqual(['begin 1', '1: i s 5']);
    world.term = 3;
    await clock.advance(1_500);
    expect(done.slice(2)).toEqual(['begin 3', '3: j s 5,i s 5']);
    receipts.stop();
  });

  it('goes with the node and with the section, not because a node is away, and not while nobody can say', async () => {
    const { clock, world, done, receipts } = setUp((id) => (id === 'live' ? live : away));
    world.rows = new Map(['away', 'live', 'terminated', 'unclear'].map((id) => [id, ['s', 'old']]));
    world.wanted = new Map([
      ['away', new Set(['s'])],
      ['terminated', new Set()],
      ['unclear', undefined],
    ]);
    receipts.lead(true);
    await clock.advance(65_000);
    expect(done).toEqual(['begin 1', '1: drop away old,live old,terminated s,terminated old']);
    receipts.stop();
  });

  it('is forgotten where it is only read when it is gone, also when that happened while the database was away', async () => {
    const { clock, world, receipts } = setUp();
    const row = (section: string, gone: boolean): SharedReceipt => ({
      ...{ instanceId: 'i', section, applied: 5n, sent: null, problems: [], gone },
    });
    world.news = [row('s', false), row('t', false)];
    receipts.lead(false);
    await clock.advance(1_500);
    expect([...receipts.of('i')!.applied.keys()]).toEqual(['s', 't']);
    world.news.push(row('s', true));
    await clock.advance(1_500);
    expect([...receipts.of('i')!.applied.keys()]).toEqual(['t']);
    world.away = true;
    await clock.advance(1_500);
    Object.assign(world, { away: false, news: [] });
    await clock.advance(1_500);
    expect(receipts.of('i')).toBeUndefined();
    receipts.stop();
  });
});
