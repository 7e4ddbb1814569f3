import { clustersProjection, clusterWarnings, type ClusterDoc } from '../projections/clusters.js';
import { cluster_id, oneServer } from '../testing/one-server.js';
import { clusterOutput } from '../tools/views.js';
import { ApiAccess, REFUSED_MS } from './api-access.js';
import { Clusters } from './clusters.js';

const accountId = 'account-00000000-0000-4000-8000-000000000001';
const FORBIDDEN = { code: 403, body: '{"message":"nodes is forbidden: User \\"system:admin\\" cannot list"}' };
const UNAUTHORIZED = Object.assign(new Error('Unauthorized'), { statusCode: 401 });
const AWAY = Object.assign(new Error('no server of c has a connected agent'), { code: 'ECONNRESET' });

/** A cluster of one server, and what its API answers to who would look at its nodes. */
const world = async () => {
  const { clock, transactor, store } = await oneServer();
  const clusters = new Clusters(transactor);
  let access = new ApiAccess(clusters, clock);
  const events = async () => {
    const all = [];
    for await (const event of store.readStream(cluster_id)) all.push(event);
    return all;
  };
  return {
    restart: () => void (access = new ApiAccess(clusters, clock)),
    /** So much later it answers this: an error, or a list of its nodes. */
    async answers(ms: number, error?: unknown) {
      await clock.advance(ms);
      if (error === undefined) access.listed();
      else access.failed(error);
      await access.judge({ ...(await clusters.read(cluster_id))!, accountId });
    },
    told: async () => (await events()).filter(({ type }) => type.includes('.api_')),
    kinds: async () => (await events()).flatMap(({ type }) => /\.(api_\w+)$/.exec(type)?.[1] ?? []),
    doc: async () =>
      (await events()).reduce<ClusterDoc | undefined>(
        (doc, event) => clustersProjection.fold(doc, event, cluster_id),
        undefined,
      )!,
  };
};

describe('a cluster’s API that refuses the platform', () => {
  it('is told once when it goes on doing so, with its own words and what to do, and taken back when it no longer does', async () => {
    const w = await world();
    await w.answers(0);
    await w.answers(1_000, FORBIDDEN);
    await w.answers(REFUSED_MS - 1, FORBIDDEN);
    expect(await w.kinds()).toEqual([]);
    for (let again = 0; again < 3; again++) await w.answers(30_000, FORBIDDEN);
    expect(await w.kinds()).toEqual(['api_refused']);
    expect((await w.told())[0]).toMatchObject({
      meta: { severity: 'high' },
      data: {
        ...{ status: 403, since: '2026-01-01T00:00:01.000Z' },
        reason: expect.stringContaining('HTTP 403: nodes is forbidden: User "system:admin" cannot list'),
        next_action: expect.stringContaining('system:masters'),
      },
    });
    await w.answers(1_000);
    await w.answers(1_000);
    expect(await w.kinds()).toEqual(['api_refused', 'api_accepted']);
  });

  it('is what its health says as long as that lasts, and nothing of it is left then', async () => {
    const w = await world();
    const view = async () => {
      const doc = await w.doc();
      const { warnings, next_action, conditions } = clusterOutput(doc);
      expect(warnings).toEqual(clusterWarnings(doc));
      return {
        of: conditions.find(({ type }) => type === 'ApiRefused')?.reason,
        warnings: warnings.join(),
        next_action,
      };
    };
    const before = await view();
    expect(before.of).toBeUndefined();
    await w.answers(0, UNAUTHORIZED);
    await w.answers(REFUSED_MS, UNAUTHORIZED);
    expect(await view()).toMatchObject({
      of: 'Unauthorized',
      warnings: expect.stringContaining('refuses the platform'),
      next_action: expect.stringContaining('put back what was changed'),
    });
    await w.answers(1_000);
    expect(await view()).toEqual(before);
  });

  it('is another matter than one that does not answer, or refuses for a moment', async () => {
    const w = await world();
    for (let again = 0; again < 5; again++) await w.answers(REFUSED_MS, AWAY);
    await w.answers(1_000, FORBIDDEN);
    for (let again = 0; again < 5; again++) await w.answers(REFUSED_MS, AWAY);
    expect(await w.kinds()).toEqual([]);
    await w.answers(1_000);
    await w.answers(1_000, FORBIDDEN);
    expect(await w.kinds()).toEqual([]);
  });

  it('stays told when the platform begins anew, until it has listed its nodes', async () => {
    const w = await world();
    await w.answers(0, FORBIDDEN);
    await w.answers(REFUSED_MS, FORBIDDEN);
    w.restart();
    await w.answers(1_000, AWAY);
    await w.answers(0, FORBIDDEN);
    await w.answers(REFUSED_MS, FORBIDDEN);
    expect(await w.kinds()).toEqual(['api_refused']);
    w.restart();
    await w.answers(1_000);
    expect(await w.kinds()).toEqual(['api_refused', 'api_accepted']);
  });
});
