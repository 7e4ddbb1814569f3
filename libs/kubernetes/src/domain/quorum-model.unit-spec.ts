import fc from 'fast-check';
import { faultTolerance, type ClusterNode } from './cluster/state.js';
import { leavingBefore, noQuorum, quorumAfterLeaving, serversNeeded } from './quorum.js';

/**
 * etcd in ten lines, which knows nothing of the platform: members, those of them that live, and what each may do. Written for
 * this comparison, and with no arithmetic in common with what it judges.
 */
class Etcd {
  constructor(
    readonly members: ReadonlySet<string>,
    readonly living: ReadonlySet<string>,
  ) {}
  /** More of its members live than do not. */
  get writes(): boolean {
    const alive = [...this.members].filter((m) => this.living.has(m)).length;
    return alive > this.members.size - alive;
  }
  /** It is a write; undefined where it is not taken. */
  without(member: string): Etcd | undefined {
    return this.writes ? new Etcd(new Set([...this.members].filter((m) => m !== member)), this.living) : undefined;
  }
  dying(member: string): Etcd {
    return new Etcd(this.members, new Set([...this.living].filter((m) => m !== member)));
  }
}

const SILENT = 'no sign of life for 9000 ms';
/** What the platform sees of a server: dead ones are silent or orphaned; those that live without a quorum say so. */
const seen = (etcd: Etcd, id: string, drained: boolean, orphan: boolean): ClusterNode => {
  const about = { role: 'server', version: null, nodeName: id } as const;
  if (!etcd.members.has(id)) return { ...about, status: 'joining' };
  if (!etcd.living.has(id)) return { ...about, status: orphan ? 'orphaned' : 'not_ready', lastError: SILENT };
  if (!etcd.writes) return { ...about, status: 'not_ready', lastError: 'K3s runs, but its API server answers 500' };
  return { ...about, status: drained ? 'draining' : 'ready' };
};

interface Server {
  readonly id: string;
  readonly lives: boolean;
  readonly drained: boolean;
  readonly orphan: boolean;
  readonly leaves: boolean;
  /** It asks to join, and is no member yet. */
  readonly joins: boolean;
}
const worlds: fc.Arbitrary<readonly Server[]> = fc
  .array(
    fc.record({
      lives: fc.boolean(),
      drained: fc.boolean(),
      orphan: fc.boolean(),
      leaves: fc.boolean(),
      joins: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
    { minLength: 1, maxLength: 7 },
  )
  // Without an API nothing drains; one that is ready tells that there is a quorum, so somebody who is not drained lives.
  .map((servers) =>
    servers.map((one, n) => ({ ...one, id: `s${n + 1}`, drained: one.drained && n > 0, joins: one.joins && n > 0 })),
  );

const ofWorld = (servers: readonly Server[]) => {
  const members = servers.filter((s) => !s.joins);
  const ids = members.map(({ id }) => id);
  const etcd = new Etcd(new Set(ids), new Set(members.filter((s) => s.lives).map((s) => s.id)));
  const nodes = new Map(servers.map((s) => [s.id, seen(etcd, s.id, s.drained, s.orphan)]));
  return { ids, etcd, cluster: { name: 'c', datastore: 'etcd' as const, nodes } };
};

it('states as fault tolerance how many more servers may die, whichever they are', () => {
  fc.assert(
    fc.property(worlds, (servers) => {
      const { etcd, cluster } = ofWorld(servers);
      let left: Etcd = etcd;
      let deaths = 0;
      for (const id of etcd.living) {
        left = left.dying(id);
        if (!left.writes) break;
        deaths++;
      }
      expect(faultTolerance(cluster)).toBe(etcd.writes ? deaths : 0);
    }),
    { numRuns: 500 },
  );
});

it('says that etcd has no quorum exactly where it takes no writes, and who is away', () => {
  fc.assert(
    fc.property(worlds, (servers) => {
      const { ids, etcd, cluster } = ofWorld(servers);
      const said = noQuorum(cluster);
      // One server alone has nobody to agree with: that it is down is what is the matter.
      expect(said !== undefined).toBe(!etcd.writes && ids.length > 1);
      if (said !== undefined) expect(said.away).toEqual(ids.filter((id) => !etcd.living.has(id)));
    }),
    { numRuns: 500 },
  );
});

it('lets a server leave only where etcd takes it away and writes on, with those that are leaving gone and the dead counted', () => {
  const verdicts = { may: 0, mayNot: 0 };
  fc.assert(
    fc.property(worlds, fc.nat(6), (servers, at) => {
      const { ids, etcd, cluster } = ofWorld(servers);
      const who = ids[at % ids.length]!;
      const leaving = new Set(servers.filter((s) => s.leaves && s.id !== who).map((s) => s.id));
      // The worst order: those that live go before it, and the dead are there to the end; a dead one that is asked for goes at once.
      const first = [...leaving].filter((id) => etcd.living.has(id));
      const last = first.length === ids.length - 1;
      const order = etcd.living.has(who) ? [...first, who] : [who, ...first];
      const after = order.reduce<Etcd | undefined>((now, id) => now?.without(id), etcd);
      const refused = quorumAfterLeaving(cluster, who, leaving);
      if (last && (etcd.writes || ids.length === 1)) expect(refused).toBeUndefined();
      else expect(refused === undefined).toBe(after?.writes === true);
      verdicts[refused === undefined ? 'may' : 'mayNot']++;
    }),
    { numRuns: 1_000 },
  );
  expect(Math.min(verdicts.may, verdicts.mayNot)).toBeGreaterThan(50);
});

it('lets a server that is no member yet go at any time', () => {
  fc.assert(
    fc.property(worlds, (servers) => {
      const { cluster } = ofWorld(servers);
      const leaving = new Set(servers.filter((s) => s.leaves).map((s) => s.id));
      for (const { id } of servers.filter((s) => s.joins))
        expect(quorumAfterLeaving(cluster, id, leavingBefore(id, leaving))).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

it('holds nobody up for ever whose end is accepted: where any of them alone could go, one of them may', () => {
  fc.assert(
    fc.property(worlds, (servers) => {
      const { etcd, cluster } = ofWorld(servers);
      const leaving = new Set(servers.filter((s) => s.leaves && etcd.living.has(s.id)).map((s) => s.id));
      const alone = [...leaving].filter((id) => etcd.without(id)?.writes === true);
      const may = [...leaving].filter(
        (id) => quorumAfterLeaving(cluster, id, leavingBefore(id, leaving)) === undefined,
      );
      expect(may.length > 0).toBe(alone.length > 0 || (leaving.size > 0 && etcd.members.size === 1));
      // And all that may, may together.
      const after = may.reduce<Etcd | undefined>((now, id) => now?.without(id), etcd);
      if (may.length > 0 && may.length < etcd.members.size) expect(after?.writes).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

it('restarts a server only while the others are a quorum without it', () => {
  fc.assert(
    fc.property(worlds, fc.nat(6), (servers, at) => {
      const { ids, etcd, cluster } = ofWorld(servers);
      const who = ids[at % ids.length]!;
      fc.pre(etcd.living.has(who) && ids.length > 1);
      // As a rollout asks: so many of the living must be left (domain/upgrade/next.ts).
      expect(etcd.living.size - 1 >= serversNeeded(cluster)).toBe(etcd.dying(who).writes);
    }),
    { numRuns: 500 },
  );
});
