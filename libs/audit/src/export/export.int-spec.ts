import { appendEvents, memoryGround, type AuditGround } from '../testing/audit-ground.js';
import type { CloudEvent } from '../proof/cloud-event.js';
import { ExportCheck, type ExportVerdict } from './export-check.js';
import { Exporter } from './exporter.js';
import { UnprovableError } from './range.js';

let ground: AuditGround;
beforeEach(async () => {
  ground = await memoryGround();
  await appendEvents(ground.store, 1, 'account-b');
  await appendEvents(ground.store, 1, 'account-a');
  await appendEvents(ground.store, 1, 'account-b');
  await ground.sealAll();
});
afterEach(() => ground.close());

const exported = async (account?: string) =>
  (await new Exporter(ground.log, ground.seals).page({ account, after: 0n, limit: 100 })).lines;
const verdict = async (lines: readonly CloudEvent[]): Promise<ExportVerdict> => {
  const check = new ExportCheck();
  for (const line of lines) check.add(JSON.stringify(line));
  const outside: string[] = [];
  for await (const line of ground.sink.lines()) outside.push(line);
  return check.finish([(await ground.keys.current()).record.key], outside);
};

it('an invented event that claims the place of a real one under its seal is found', async () => {
  const [real, seal, ...keys] = await exported('account-a');
  expect(await verdict([real!, seal!, ...keys])).toMatchObject({ problems: [], events: 1, sealed: 1 });
  const { own, rest } = seal!.data as { own: number[]; rest: string[] };
  expect(own).toEqual([1]);
  const invented = { ...real!, id: '00000000-0000-4000-8000-000000000000', sequence: '1' };
  const claims: [CloudEvent[], object][] = [
    [[invented, real!], { own: [1, 1] }],
    [[invented, real!], { own: [0, 1], rest: rest.slice(1) }],
  ];
  for (const [events, claim] of claims) {
    const forged = { ...seal!, data: { ...(seal!.data as object), ...claim } };
    expect((await verdict([...events, forged, ...keys])).problems).toEqual([
      { line: 3, position: 1n, reason: 'the events from 1 to 3 are not those that seal 1 was made over' },
    ]);
  }
});

describe.each(['account-a', undefined])('the export of %s', (account) => {
  it.each([
    ['everything under a seal', 3, 'after 0'],
    ['the end of what a seal covers', 1, 'after 2'],
  ])('does not end as if whole where %s is gone from the log', async (_, gone, where) => {
    (ground.store as unknown as { log: unknown[] }).log.splice(-gone);
    await expect(exported(account)).rejects.toThrow(
      new UnprovableError(`the log has no event ${where}, but seal 1 covers it up to event 3; run verify_audit`),
    );
  });

  it('ends without a complaint where no seal covers its end yet', async () => {
    await appendEvents(ground.store, 1);
    const whole = await new Exporter(ground.log, ground.seals).page({ account, after: 0n, limit: 100 });
    expect(whole).toMatchObject({ through: 4n, complete: true });
  });
});
