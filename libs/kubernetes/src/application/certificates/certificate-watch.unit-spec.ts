import { ManualClock, refusal, silentLog } from '#kernel';
import { OWED_BOUND_MS, RENEW_BEFORE_MS, RENEWAL_RETRY_MS } from '../../domain/certificates/renewal.js';
import type { KubernetesDirectory } from '../directory.js';
import type { StartRotation } from '../upgrade/commands.js';
import { CertificateWatch } from './certificate-watch.js';

const agent = { instanceId: 'instance-1', accountId: 'account-1' } as never;
const DAY_MS = 86_400_000;

/** A cluster of one node, whose certificates end so many milliseconds from now. */
const watch = (
  answer: 'done' | 'refused' = 'done',
  member = true,
  more: Record<string, string> = {},
  owes = async () => false,
) => {
  const clock = new ManualClock();
  const sent: StartRotation[] = [];
  const nodes: [string, { role: string; status: string }][] = [
    ['instance-1', { role: 'server', status: 'ready' }],
    ['worker-1', { role: 'agent', status: 'ready' }],
    ...Object.entries(more).map(([id, status]): (typeof nodes)[number] => [id, { role: 'server', status }]),
  ];
  const cluster = { id: 'cluster-1', nodes: new Map(member ? nodes : []), migration: null as object | null };
  const told: { type: string; reason?: string; nextAction?: string }[] = [];
  const clusters = { apply: async (_id: string, command: (typeof told)[number]) => void told.push(command) };
  const answers = { now: answer, code: 'servers_not_ready' };
  const presenceSince = new Date(clock.wallMs()).toISOString();
  const instances = new Map<string, object>([['instance-1', { presenceSince }]]);
  const directory = {
    clusterOfMember: () => cluster,
    instances,
  } as unknown as KubernetesDirectory;
  const dispatcher = {
    dispatch: async (command: StartRotation) => {
      sent.push(command);
      return answers.now === 'done' || command.payload.only !== undefined
        ? { kind: 'done', value: {} }
        : { kind: 'refused', refusal: refusal(409, answers.code, 's2 is not_ready', { hint: 'forget it' }) };
    },
  };
  const it = new CertificateWatch(directory, dispatcher as never, clock, silentLog, clusters as never, owes);
  const endsIn = (ms: number | undefined, of: string = 'instance-1') => {
    const certificatesEndMs = ms === undefined ? undefined : clock.wallMs() + ms;
    return it.onRuntimeHealth({ ...(agent as object), instanceId: of } as never, { certificatesEndMs } as never);
  };
  return { clock, sent, endsIn, told, answers, cluster, instances };
};

describe('certificates of K3s that come to their end', () => {
  it('are renewed 45 days before it, and not earlier', async () => {
    const { sent, endsIn } = watch();
    expect(RENEW_BEFORE_MS).toBe(45 * DAY_MS);
    await endsIn(undefined);
    await endsIn(RENEW_BEFORE_MS);
    expect(sent).toEqual([]);
    await endsIn(RENEW_BEFORE_MS - 1);
    expect(sent).toHaveLength(1);
    expect(sent[0]!.payload).toMatchObject({
      cluster_id: 'cluster-1',
      what: 'certificates',
      options: { max_unavailable: 1, drain: true },
    });
    expect(sent[0]!.context.actor).toEqual({ kind: 'system', id: 'certificate_watch' });
  });

  it('are asked for once in a while, not with every beat, and again after a refusal', async () => {
    const { clock, sent, endsIn } = watch('refused');
    for (let beat = 0; beat < 5; beat++) await endsIn(DAY_MS);
    expect(sent).toHaveLength(1);
    await clock.advance(RENEWAL_RETRY_MS + 1);
    await endsIn(DAY_MS);
    expect(sent).toHaveLength(2);
    expect(sent[1]!.context.commandId).not.toBe(sent[0]!.context.commandId);
  });

  it('are told of when a server is in the way, with what to do; the workers go on; it is cleared when the renewal begins', async () => {
    const { clock, sent, endsIn, told, answers } = watch('refused');
    await endsIn(RENEW_BEFORE_MS + DAY_MS, 'worker-1');
    await endsIn(DAY_MS);
    expect(told).toMatchObject([{ type: 'renewal_blocked', reason: 's2 is not_ready', nextAction: 'forget it' }]);
    expect(sent.map((c) => c.payload.only)).toEqual([undefined]);
    await endsIn(DAY_MS, 'worker-1');
    await clock.advance(RENEWAL_RETRY_MS + 1);
    await endsIn(DAY_MS);
    expect(sent.map((c) => c.payload.only)).toEqual([undefined, undefined, ['worker-1']]);
    answers.now = 'done';
    await clock.advance(RENEWAL_RETRY_MS + 1);
    await endsIn(DAY_MS);
    expect(told.at(-1)).toMatchObject({ type: 'renewal_unblocked' });
  });

  it('of the other servers are renewed without the dead one where etcd can spare one more, and not where it cannot', async () => {
    const asked = async (...others: string[]) => {
      const more = Object.fromEntries(others.map((status, n) => [`s${n + 2}`, status]));
      const { sent, told, endsIn, clock } = watch('refused', true, more);
      for (const id of [...Object.keys(more), 'worker-1']) await endsIn(RENEW_BEFORE_MS + 1, id);
      await clock.advance(2);
      await endsIn(DAY_MS, 's2');
      expect(told).toMatchObject([{ type: 'renewal_blocked', reason: 's2 is not_ready' }]);
      return sent.map((c) => c.payload.only);
    };
    expect(await asked('ready', 'ready', 'ready', 'not_ready')).toEqual([undefined, ['worker-1', 's2', 's3', 's4']]);
    expect(await asked('ready', 'not_ready')).toEqual([undefined, ['worker-1']]);
  });

  it('are renewed for those alone that are due, while the others have had new ones not long ago', async () => {
    const { sent, endsIn } = watch('done', true, { s2: 'ready', s3: 'ready' });
    for (const id of ['s2', 'worker-1']) await endsIn(360 * DAY_MS, id);
    await endsIn(50 * DAY_MS, 's3');
    await endsIn(DAY_MS);
    expect(sent.map((c) => c.payload.only)).toEqual([['instance-1', 's3']]);
  });

  it('are waited for while a move of the pod network goes on, and told as blocked while that is paused', async () => {
    const { clock, endsIn, told, answers, cluster } = watch('refused');
    answers.code = 'migration_in_progress';
    cluster.migration = { state: 'running' };
    await endsIn(DAY_MS);
    expect(told).toEqual([]);
    cluster.migration = { state: 'paused' };
    await clock.advance(RENEWAL_RETRY_MS + 1);
    await endsIn(DAY_MS);
    expect(told).toMatchObject([{ type: 'renewal_blocked', nextAction: 'forget it' }]);
  });

  it('are not renewed on a node whose agent has not told yet how long they last, until it has, or two minutes are over', async () => {
    const begin = () => {
      const world = watch('done', true, { s2: 'ready', s3: 'ready' });
      for (const id of ['instance-1', 's2', 'worker-1']) world.instances.set(id, { online: true, presenceSince: null });
      return world;
    };
    const heard = begin();
    await heard.endsIn(DAY_MS);
    await heard.endsIn(360 * DAY_MS, 's2');
    expect(heard.sent).toEqual([]);
    await heard.endsIn(360 * DAY_MS, 'worker-1');
    await heard.endsIn(DAY_MS);
    expect(heard.sent.map((c) => c.payload.only)).toEqual([['instance-1', 's3']]);
    const silent = begin();
    await silent.endsIn(DAY_MS);
    await silent.clock.advance(2 * 60_000);
    await silent.endsIn(DAY_MS);
    expect(silent.sent.map((c) => c.payload.only)).toEqual([undefined]);
  });

  it('are left to a server that was left out and is just back: it was told; later it is asked for like any other', async () => {
    const { sent, endsIn, clock } = watch('done', true, { s2: 'ready' }, async () => true);
    await endsIn(DAY_MS);
    expect(sent).toEqual([]);
    await endsIn(DAY_MS, 's2');
    expect(sent).toHaveLength(1);
    await clock.advance(Math.max(OWED_BOUND_MS, RENEWAL_RETRY_MS) + 1);
    await endsIn(DAY_MS);
    expect(sent).toHaveLength(2);
  });

  it('are nobody’s while the node is no member of its cluster', async () => {
    const { sent, endsIn } = watch('done', false);
    await endsIn(DAY_MS);
    expect(sent).toEqual([]);
  });
});
