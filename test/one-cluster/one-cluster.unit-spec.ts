import fc from 'fast-check';
import { World, type Server } from './model.js';

type Deed = 'claim' | 'tell' | 'round' | 'die' | 'boot' | 'new_disk' | 'new_agent' | 'new_machine' | 'move_claim';
interface Step {
  readonly deed: Deed;
  readonly who: number;
  /** After how many steps of its round an agent dies. */
  readonly steps: number;
}
/** Rounds are what happens most; disks and agents' files are lost seldom, but they are. */
const DEEDS = {
  round: 6,
  tell: 5,
  die: 4,
  boot: 4,
  move_claim: 4,
  claim: 1,
  new_disk: 2,
  new_agent: 1,
  new_machine: 1,
} as const satisfies Record<Deed, number>;
const RUNS = Number(process.env['DROVER_ONE_CLUSTER_RUNS'] ?? 600);

const act = (world: World, server: Server, { deed, steps }: Step): void => {
  switch (deed) {
    case 'claim':
      return server.up ? world.claim(server) : undefined;
    case 'tell':
      return world.tell(server);
    case 'round':
      return world.round(server, steps);
    case 'die':
      server.up = false;
      return;
    case 'boot':
      server.up = true;
      return;
    case 'new_disk':
      if (!server.up) server.data = undefined;
      return;
    case 'new_agent':
    case 'new_machine':
      if (server.up) return;
      if (deed === 'new_machine') server.data = undefined;
      Object.assign(server, {
        told: undefined,
        phases: { dataId: '', joined: false, bootstrapped: false, ready: false },
      });
      return;
    case 'move_claim':
      return world.moveClaim(server);
  }
};

/** Nothing else goes wrong: everybody is up, told the truth, and lives through whole rounds. */
const settle = (world: World): void => {
  for (const server of world.servers) server.up = true;
  if (world.cluster === undefined) world.claim(world.servers[0]!);
  for (let n = 0; n < 8; n++)
    for (const server of world.servers) {
      world.tell(server);
      world.round(server, 20);
    }
};

const step = fc.record({
  deed: fc.oneof(...Object.entries(DEEDS).map(([deed, weight]) => ({ weight, arbitrary: fc.constant(deed as Deed) }))),
  who: fc.integer({ min: 0, max: 11 }),
  steps: fc.oneof(fc.constant(20), fc.integer({ min: 0, max: 6 })),
});
/** Before there is a cluster: agents die in the middle, and the claim goes from hand to hand. */
const early = fc.record({
  deed: fc.constantFrom<Deed>('tell', 'tell', 'round', 'round', 'die', 'boot', 'move_claim', 'move_claim', 'new_agent'),
  who: fc.integer({ min: 0, max: 11 }),
  steps: fc.integer({ min: 0, max: 3 }),
});
/** Without fast-check's liking for short and small: trouble needs a story. */
const stories = fc
  .noBias(
    fc.tuple(
      fc.constantFrom(1, 2, 2, 3, 3, 4),
      fc.array(early, { maxLength: 25 }),
      fc.array(step, { minLength: 10, maxLength: 60 }),
    ),
  )
  .map(([count, first, then]): [number, Step[]] => [count, [{ deed: 'claim', who: 0, steps: 0 }, ...first, ...then]]);

describe('servers that start at once, in any order, and die anywhere', () => {
  it('make one cluster, and no node that counts is of another one', () => {
    fc.assert(
      fc.property(stories, ([count, deeds]) => {
        const world = new World(count);
        const digests = new Set<string>();
        for (const deed of deeds) {
          act(world, world.servers[deed.who % count]!, deed);
          const digest = world.cluster?.kubeconfigDigest;
          if (typeof digest === 'string') digests.add(digest);
          expect(digests.size).toBeLessThan(2);
          for (const server of world.servers) {
            const counts = world.cluster?.nodes.get(server.id)?.status === 'ready';
            if (counts && server.data !== undefined && server.phases.ready) expect(server.data.etcd).toBe(digest);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('are all of that one cluster in the end, if but one disk of it is left', () => {
    fc.assert(
      fc.property(stories, ([count, deeds]) => {
        const world = new World(count);
        for (const deed of deeds) act(world, world.servers[deed.who % count]!, deed);
        const made = world.cluster?.kubeconfigDigest ?? null;
        const isLeft =
          made === null || world.servers.some(({ data, phases }) => data?.etcd === made && data.mark === phases.dataId);
        settle(world);
        const digest = world.cluster!.kubeconfigDigest;
        for (const { id, data } of world.servers) {
          // Whoever has data has those of the one cluster; with all disks lost nobody makes another.
          expect(data?.etcd ?? digest).toBe(digest);
          if (!isLeft) continue;
          expect(data).toBeDefined();
          expect(world.cluster!.nodes.get(id)?.status).toBe('ready');
        }
      }),
      { numRuns: RUNS },
    );
  });
});
