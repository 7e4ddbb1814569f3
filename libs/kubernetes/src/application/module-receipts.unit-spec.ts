import { canonicalJson, ManualClock, silentLog } from '#kernel';
import { MemoryEventStore, START, type EventMeta, type RecordedEvent } from '#event-store';
import { sectionHash, type agentV1 } from '#proto';
import { KubernetesDirectory } from './directory.js';
import { ModuleReceipts } from './module-receipts.js';
import { ModulesSource } from './modules-source.js';

const INSTANCE = 'instance-00000000-0000-4000-8000-000000000001';
const agent = { instanceId: INSTANCE, accountId: 'account-a', certificateSerial: '1' };

const setUp = () => {
  const clock = new ManualClock();
  const store = new MemoryEventStore(clock);
  const build = () => {
    const directory = new KubernetesDirectory();
    const source = new ModulesSource(directory, undefined);
    const receipts = new ModuleReceipts({ directory, source, store, clock, log: silentLog });
    source.watch = (event, touched) => receipts.note(event, touched);
    return { source, receipts };
  };
  const history: RecordedEvent[] = [];
  let process = build();
  const happens = (position: number, type: string, data: object = {}) => {
    const recordedAt = new Date(clock.wallMs()).toISOString();
    const meta = { accountId: 'account-a', correlationId: `call-${position}`, links: {} } as unknown as EventMeta;
    const event = { id: `e-${position}`, type: `system.${type}`, position: BigInt(position), recordedAt, meta };
    history.push({ ...event, stream: INSTANCE, data: { instance_id: INSTANCE, ...data } } as unknown as RecordedEvent);
    process.source.apply(history.at(-1)!);
  };
  const assign = (position: number, module_name: string) =>
    happens(position, 'module.assigned', {
      ...{ module_name, assignment_id: `a-${module_name}`, template_id: 't', config: {}, priority: 1 },
    });
  const applies = async (generation: number, errors: string[] = [], section = 'modules') => {
    const message = { section, generation: BigInt(generation), hash: '', errors, applyUs: 2_500 };
    process.receipts.onApplied(agent, message as agentV1.Applied);
    await clock.advance(0);
  };
  const inLog = async () => (await store.readAll(START, { limit: 100 })).events;
  /** What the log holds is folded, as the feed does. */
  const folds = async () => {
    for (const event of await inLog()) process.source.apply(event);
  };
  const restarts = async () => {
    process = build();
    for (const event of history) process.source.apply(event);
    await folds();
  };
  const told = async () =>
    (await inLog()).map(({ type, data, meta }) => [
      type.slice('system.module.'.length),
      data['generation'],
      meta.correlationId,
    ]);
  happens(1, 'instance.created', { name: 'n', cni_plugin: null });
  /** The hash of what is wanted now, as an agent computes it over what it holds. */
  const wanted = () => {
    const items = process.source.compile(INSTANCE).get('modules') ?? new Map<string, unknown>();
    return sectionHash(new Map([...items].map(([key, item]) => [key, Buffer.from(canonicalJson(item))])));
  };
  return { clock, happens, assign, applies, inLog, told, folds, restarts, wanted, receipts: () => process.receipts };
};

it('records once which form of its modules reached a node, under the call that changed them, with how long it took', async () => {
  const { clock, assign, applies, inLog, told } = setUp();
  assign(5, 'docker-engine');
  await clock.advance(40);
  await applies(6);
  await applies(6);
  expect(await told()).toEqual([['generation_applied', '6', 'call-5']]);
  const [event] = await inLog();
  expect(event).toMatchObject({
    stream: INSTANCE.replace('instance-', 'instance_receipts-'),
    data: { instance_id: INSTANCE, section: 'modules', modules: ['docker-engine'], took_ms: 40, apply_ms: 2.5 },
    meta: { causationId: 'e-5', actor: { kind: 'agent', id: INSTANCE }, accountId: 'account-a' },
  });
});

it('takes an agent that comes with just what is wanted for one that has applied it: nothing is sent to it, so nothing would be receipted', async () => {
  const { clock, assign, happens, applies, told, receipts, folds, wanted } = setUp();
  const comes = async (hash: string, generation = 3) => {
    const hello = { sections: [{ name: 'modules', generation: BigInt(generation), hash }] } as agentV1.Hello;
    receipts().onConnected({ agent, hello });
    await clock.advance(0);
    await folds();
  };
  const empty = wanted();
  assign(5, 'docker-engine');
  await comes(empty);
  expect(await told()).toEqual([]);
  await comes(wanted(), 6);
  await comes(wanted(), 6);
  expect(await told()).toEqual([['generation_applied', '6', 'call-5']]);
  // Assigned and taken away again while it was off.
  const before = wanted();
  assign(20, 'base');
  happens(30, 'module.removed', { assignment_id: 'a-base', module_name: 'base' });
  await comes(before, 6);
  expect((await told()).at(-1)).toEqual(['generation_applied', '30', 'call-30']);
  // It holds what it could not apply, too.
  assign(40, 'base');
  await applies(41, ['no room']);
  await folds();
  await comes(wanted(), 41);
  expect((await told()).at(-1)).toEqual(['generation_failed', '41', 'call-40']);
});

it('writes nothing without a change: for a reconnect, another section, a claim of something newer, a changed presence', async () => {
  const { assign, happens, applies, told, receipts } = setUp();
  receipts().onConnected({ agent, hello: {} as agentV1.Hello });
  assign(5, 'docker-engine');
  await applies(6);
  // Touches the node, and changes nothing of what it is to run.
  happens(7, 'sdwan.peer.attached', { peer_id: 'p', network_id: 'n', address_v6: 'fd::1', address_v4: '10.0.0.1' });
  happens(8, 'instance.lost');
  await applies(8);
  await applies(9_999);
  await applies(9_999, [], 'network/x');
  expect(await told()).toEqual([['generation_applied', '6', 'call-5']]);
});

it('knows after a restart what was recorded, also by an agent that applies what it had once more', async () => {
  const { assign, applies, told, restarts, folds } = setUp();
  assign(5, 'docker-engine');
  await applies(6);
  await restarts();
  await applies(6);
  assign(8, 'other');
  await applies(6);
  await applies(8, ['no space left']);
  await folds();
  await applies(8, ['no space left']);
  await applies(8);
  await applies(8, ['no space left']);
  expect(await told()).toEqual([
    ['generation_applied', '6', 'call-5'],
    ['generation_failed', '8', 'call-8'],
    ['generation_applied', '8', 'call-8'],
  ]);
});

it('gives an older generation to the change that it carried, when a newer one is under way', async () => {
  const { assign, applies, told, inLog } = setUp();
  assign(5, 'docker-engine');
  assign(9, 'other');
  await applies(7);
  await applies(9);
  expect(await told()).toEqual([
    ['generation_applied', '7', 'call-5'],
    ['generation_applied', '9', 'call-9'],
  ]);
  expect((await inLog()).map(({ data }) => data['modules'])).toEqual([undefined, ['docker-engine', 'other']]);
});
