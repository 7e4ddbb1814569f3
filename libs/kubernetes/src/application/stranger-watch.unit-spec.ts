import { clustersProjection, clusterWarnings, type ClusterDoc } from '../projections/clusters.js';
import { cluster_id, instance_id, oneServer } from '../testing/one-server.js';
import { clusterOutput } from '../tools/views.js';
import { HIDDEN_TEXT, HOSTILE_TEXTS } from '../../../../test/doubles/hostile-texts.js';
import { ClusterView } from './cluster-view.js';
import { Clusters } from './clusters.js';
import { STRANGER_GRACE_MS, STRANGER_PAUSE_MS, StrangerWatch } from './stranger-watch.js';

const SECOND = 1_000;

/** A cluster whose only member is s1, and what its Kubernetes API shows. */
const world = async () => {
  const { clock, transactor, store } = await oneServer();
  const clusters = new Clusters(transactor);
  const instances = new Map([[instance_id as string, { name: 's1' }]]) as never;
  const platform = () => {
    const view = new ClusterView(() => clock.monotonicMs());
    return { view, watch: new StrangerWatch({ instances }, clusters, clock) };
  };
  let now = platform();
  const accountId = 'account-00000000-0000-4000-8000-000000000001';
  const events = async () => {
    const all = [];
    for await (const event of store.readStream(cluster_id)) all.push(event);
    return all;
  };
  const told = async () => (await events()).filter(({ type }) => type.includes('strangers'));
  const kinds = async () => (await told()).map(({ type }) => type.replace('system.k3s.cluster.', ''));
  return {
    clock,
    told,
    kinds,
    restart: () => void (now = platform()),
    cluster: async () => (await clusters.read(cluster_id))!,
    /** So much later the API shows these, and they are judged. */
    async shows(ms: number, ...names: string[]) {
      await clock.advance(ms);
      now.view.listed(['s1', ...names].map((name) => ({ metadata: { name } })));
      await now.watch.judge({ ...(await clusters.read(cluster_id))!, accountId }, now.view);
    },
    async doc(): Promise<ClusterDoc> {
      const all = await events();
      return all.reduce<ClusterDoc | undefined>(
        (doc, event) => clustersProjection.fold(doc, event, cluster_id),
        undefined,
      )!;
    },
  };
};

describe('nodes in a cluster’s API that are no members of it', () => {
  it('are told once after their grace, with what to do, and taken back when none is left', async () => {
    const w = await world();
    await w.shows(0, 'laptop');
    await w.shows(STRANGER_GRACE_MS - 1, 'laptop');
    expect(await w.kinds()).toEqual([]);
    await w.shows(1, 'laptop');
    for (let look = 0; look < 5; look++) await w.shows(STRANGER_PAUSE_MS, 'laptop');
    expect(await w.kinds()).toEqual(['strangers_found']);
    expect((await w.told())[0]).toMatchObject({
      meta: { severity: 'warning' },
      data: { count: 1, names: ['laptop'], next_action: expect.stringContaining('kubectl delete node laptop;') },
    });
    await w.shows(STRANGER_PAUSE_MS);
    await w.shows(STRANGER_PAUSE_MS);
    expect(await w.kinds()).toEqual(['strangers_found', 'strangers_gone']);
    expect((await w.cluster()).strangers).toBeNull();
  });

  it('are none while they become members, and none of the members', async () => {
    const w = await world();
    await w.shows(0);
    await w.shows(STRANGER_GRACE_MS, 'w1');
    await w.shows(STRANGER_GRACE_MS - SECOND, 'w1');
    await w.shows(SECOND);
    await w.shows(STRANGER_GRACE_MS, 'w1');
    expect(await w.kinds()).toEqual([]);
  });

  it('are told anew when others are there, but not every moment', async () => {
    const w = await world();
    await w.shows(0, 'a', 'b');
    await w.shows(STRANGER_GRACE_MS, 'a', 'b');
    await w.shows(SECOND, 'a');
    await w.shows(SECOND, 'a', 'b');
    expect(await w.kinds()).toEqual(['strangers_found']);
    await w.shows(STRANGER_PAUSE_MS, 'a', 'b');
    const last = async () => (await w.told()).at(-1)!.data['names'];
    expect([await w.kinds(), await last()]).toEqual([['strangers_found', 'strangers_found'], ['a']]);
    await w.shows(STRANGER_GRACE_MS, 'a', 'b');
    expect([(await w.kinds()).length, await last()]).toEqual([3, ['a', 'b']]);
  });

  it('are neither told again nor taken back by a restart of the platform', async () => {
    const w = await world();
    await w.shows(0, 'laptop');
    await w.shows(STRANGER_GRACE_MS, 'laptop');
    w.restart();
    await w.shows(STRANGER_PAUSE_MS, 'laptop');
    await w.shows(STRANGER_GRACE_MS, 'laptop');
    expect(await w.kinds()).toEqual(['strangers_found']);
  });

  it('stand in the cluster’s warnings, conditions and next action, and nowhere once they are gone', async () => {
    const w = await world();
    const shown = async () => {
      const doc = await w.doc();
      const { conditions, next_action } = clusterOutput(doc);
      const types = conditions.flatMap(({ type, status }) => (type === 'Strangers' ? [status] : []));
      return [clusterWarnings(doc).filter((text) => text.includes('no member')), types, next_action];
    };
    expect(await shown()).toEqual([[], [], null]);
    await w.shows(0, 'laptop');
    await w.shows(STRANGER_GRACE_MS, 'laptop');
    const reason = '1 node is in its Kubernetes API but no member of it: laptop';
    expect(await shown()).toEqual([[reason], ['true'], expect.stringContaining('kubectl delete node laptop')]);
    await w.shows(STRANGER_PAUSE_MS);
    expect(await shown()).toEqual([[], [], null]);
  });

  it('bear names that are shown as plain text, and in no command unless Kubernetes would take them', async () => {
    const w = await world();
    const evil = [...HOSTILE_TEXTS.filter((text) => text.length <= 253), '$(reboot)', '-A', ''];
    await w.shows(0, ...evil);
    await w.shows(STRANGER_GRACE_MS, ...evil);
    const [{ data }] = (await w.told()) as unknown as [{ data: Record<string, never> }];
    const { names, reason, next_action } = data as unknown as Record<'reason' | 'next_action', string> & {
      names: string[];
    };
    expect(names.length).toBeLessThanOrEqual(10);
    for (const text of [...names, reason, next_action]) {
      expect(HIDDEN_TEXT.test(text) || /[\r\n]/.test(text)).toBe(false);
      expect(text.length).toBeLessThan(4_000);
    }
    expect(next_action).toMatch(/kubectl delete node (NAME \(|[a-z0-9][-.a-z0-9 ]*;)/);
  });
});
