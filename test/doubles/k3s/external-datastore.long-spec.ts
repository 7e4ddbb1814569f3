import { describeWithRealParts } from '../../e2e/support/with-real-parts.js';
import { sqlChecks, SqlWorld } from './sql-checks.js';

const needs = { network: 'namespaces', tools: ['kubectl'] } as const;

/** The same list as `npm run conformance` has, so that the two never say different things of K3s. */
describeWithRealParts('k3s servers on one external datastore', needs, () => {
  let world: SqlWorld;

  beforeAll(async () => {
    world = await SqlWorld.create();
  }, 180_000);
  afterAll(() => world?.end(), 180_000);

  it.each(sqlChecks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run(world), 600_000);
});
