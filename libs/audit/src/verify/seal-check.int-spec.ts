import { jest } from '@jest/globals';
import { KeyHistory } from '../proof/keys.js';
import type { SealSink } from '../seals/seal-sink.js';
import { appendEvents, memoryGround } from '../testing/audit-ground.js';
import { checkSeals } from './seal-check.js';

it('many seals are checked once each, in pieces between which the process does its other work', async () => {
  const ground = await memoryGround();
  await appendEvents(ground.store, 450);
  await ground.sealAll({ everyEvents: 1 });
  const lines: string[] = [];
  for await (const line of ground.sink.lines()) lines.push(line);
  // From memory, so that reading gives no turn away.
  const sink = {
    async *lines() {
      yield* lines;
    },
  } as unknown as SealSink;
  const verified = jest.spyOn(KeyHistory.prototype, 'problemOf');
  const pieces: number[] = [];
  let isOver = false;
  const other = () => {
    pieces.push(verified.mock.calls.length);
    if (!isOver) setImmediate(other);
  };
  setImmediate(other);
  const report = await checkSeals(ground.seals, sink, ground.exportsIn());
  isOver = true;
  expect(report).toMatchObject({ findings: [], inSink: 450 });
  expect(report.ranges).toHaveLength(450);
  expect(verified).toHaveBeenCalledTimes(450);
  expect(pieces.slice(0, 2)).toEqual([200, 400]);
  verified.mockRestore();
  await ground.close();
});
