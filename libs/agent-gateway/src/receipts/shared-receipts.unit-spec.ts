import { ManualClock, silentLog } from '#kernel';
import type { AgentLiveness } from '../ports.js';
import type { ReceiptTable } from './receipt-table.js';
import { SharedReceipts } from './shared-receipts.js';

const live: AgentLiveness = {
  connected: true,
  silentMs: 0,
  lost: false,
  applied: new Map([['s', 5n]]),
  sent: new Map([['s', 5n]]),
};

it('does not leave streams of the former leader standing because the database was away when this one took over', async () => {
  const clock = new ManualClock(0);
  const done: string[] = [];
  let away = true;
  const step = async (what: string) => {
    if (away) throw new Error('the database is away');
    done.push(what);
  };
  const table: ReceiptTable = {
    write: (receipts) => step(receipts.map((r) => `${r.instanceId} ${r.section} ${r.applied}`).join()),
    forgetStreams: () => step('forget'),
    after: async () => ({ receipts: [], through: 0n }),
  };
  const receipts = new SharedReceipts(table, clock, silentLog, () => live);
  receipts.start();
  receipts.lead(true);
  receipts.touch('i');
  await clock.advance(2_500);
  expect(done).toEqual([]);
  away = false;
  await clock.advance(2_500);
  // In this order: what is written of a stream that is here must not be forgotten with the others.
  expect(done).toEqual(['forget', 'i s 5']);
  receipts.stop();
});
