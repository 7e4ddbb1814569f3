import { globSync, readFileSync } from 'node:fs';
import { boundMs, moduleBoundMs } from '../../libs/fleet/src/domain/instance/outlook.js';
import { clusterBoundSeconds, nodeBoundSeconds } from '../../libs/kubernetes/src/domain/cluster/outlook.js';
import { peerBoundMs } from '../../libs/sdwan/src/domain/peer/outlook.js';
import { DEFAULT_POLICY } from '../../libs/kubernetes/src/domain/cluster/policy.js';

/** `final` and `steady` last for as long as they like; `bounded` by what is said; `gap`: nothing ends it or reports it by itself. */
type Said = 'final' | 'steady' | { readonly bounded: string | (() => number | null) } | { readonly gap: string };
const all = (states: string, said: Said) => Object.fromEntries(states.split(' ').map((s) => [s, said]));

const instance = (status: Parameters<typeof boundMs>[0]): Said => ({ bounded: () => boundMs(status, 60) });
const module = (stage: Parameters<typeof moduleBoundMs>[0]): Said => ({ bounded: () => moduleBoundMs(stage) });
const cluster = (status: Parameters<typeof clusterBoundSeconds>[0]): Said => ({
  bounded: () => clusterBoundSeconds(status, DEFAULT_POLICY),
});
const node = (status: Parameters<typeof nodeBoundSeconds>[0]): Said => ({
  bounded: () => nodeBoundSeconds(status, DEFAULT_POLICY),
});

const MACHINES: Readonly<Record<string, Readonly<Record<string, Said>>>> = {
  'fleet/instance/state.ts InstancePhase': {
    ...{ pending: instance('pending'), provisioning: instance('provisioning'), starting: instance('starting') },
    ...all('running error', 'steady'),
    ...all('terminated forgotten', 'final'),
  },
  'fleet/instance/state.ts InstanceStatus': {
    ...{ draining: instance('draining'), stopping: instance('stopping'), lost: instance('lost'), drained: 'steady' },
  },
  'fleet/instance/state.ts status': {
    ...{ assigned: module('assigned'), installing: module('installing'), failed: module('failed'), running: 'steady' },
  },
  'fleet/instance/outlook.ts ModuleStage': {
    ...{ assigned: module('assigned'), installing: module('installing') },
    ...{ degraded: module('degraded'), failed: module('failed'), running: 'steady', removed: 'final' },
  },
  'kubernetes/cluster/state.ts ClusterNode.status': {
    ...{ joining: node('joining'), not_ready: node('not_ready'), draining: node('draining') },
    ...{ orphaned: node('orphaned'), ready: 'steady' },
  },
  'kubernetes/cluster/state.ts Cluster.status': {
    ...{ bootstrapping: cluster('bootstrapping'), degraded: cluster('degraded') },
    ...{ active: 'steady', decommissioned: 'final' },
  },
  'kubernetes/cluster/migration-state.ts state': {
    running: { bounded: () => DEFAULT_POLICY.migration_node_seconds },
    ...{ paused: 'steady', completed: 'final' },
  },
  'kubernetes/cluster/token-change.ts phase': {
    chosen: { bounded: 'the node_timeout_seconds of its rollout, which stops then and says why' },
    ...all('made dropped', 'steady'),
  },
  'kubernetes/snapshots/decide.ts Snapshot.status': {
    ...all('requested saved', { bounded: 'six tries of its job, which fails it then (snapshots/managers.ts)' }),
    ...all('available', 'steady'),
    ...all('absent failed deleted', 'final'),
  },
  'kubernetes/snapshots/decide.ts Restore.status': {
    running: { bounded: 'six tries of its job, which fails it then (snapshots/managers.ts)' },
    ...all('absent completed failed', 'final'),
  },
  'kubernetes/upgrade/state.ts NodePhase': {
    ...all('draining changing verifying', { bounded: 'drain_timeout_seconds and node_timeout_seconds of the rollout' }),
    pending: { bounded: 'the node before it, which fails in its time' },
    ...all('done failed skipped', 'steady'),
  },
  'kubernetes/upgrade/state.ts RolloutStatus': {
    ...all('running aborting', { bounded: 'its nodes, each of which fails in its time' }),
    // An operator's word is awaited, and was asked for by the event that came before.
    ...all('paused stopped', 'steady'),
    ...all('completed aborted rolled_back', 'final'),
  },
  'docker/host.ts status': {
    pending: { bounded: 'its module: installing, then failed, on the instance' },
    ...all('connected stopped', 'steady'),
    decommissioned: 'final',
  },
  'consumers/webhook/decide.ts status': { active: 'steady', deleted: 'final' },
  'sdwan/network/state.ts status': { active: 'steady', deleted: 'final' },
  'sdwan/firewall/decide.ts status': { active: 'steady', deleted: 'final' },
  'sdwan/access-grant/state.ts status': {
    pending: { bounded: 'expires_at: from then on it is shown as expired and its token is refused with 410' },
    ...{ active: 'steady', revoked: 'final' },
  },
  'sdwan/peer/outlook.ts PeerStage': {
    pending: { bounded: () => peerBoundMs('pending') },
    handshaking: { bounded: () => peerBoundMs('handshaking') },
    changing_key: { bounded: () => peerBoundMs('changing_key') },
  },
  'sdwan/peer/state.ts status': {
    pending: { bounded: () => peerBoundMs('pending') },
    handshaking: { bounded: () => peerBoundMs('handshaking') },
    silent: { bounded: 'the event that says so, once' },
    ...{ connected: 'steady', removed: 'final' },
  },
  'sdwan/peer/key-rotation.ts phase': {
    ...all('announced ordered', { bounded: () => peerBoundMs('changing_key') }),
  },
  'sdwan/virtual-ip/state.ts status': {
    reserved: 'steady',
    moving: { bounded: 'the deadlines of a move, after which it is stranded (failover/move-types.ts)' },
    stranded: { bounded: 'the event that says so, once; it is placed as soon as somebody can hold it' },
    ...{ active: 'steady', released: 'final' },
  },
};

/** Unions of states, as they are written: `readonly status: 'a' | 'b'` and `type NodePhase = 'a' | 'b'`. */
const FIELD = /readonly (status|phase|state): *((?:'[a-z_]+'(?:\s*\|\s*)?){2,})/g;
const NAMED = /export type (\w+(?:Status|Phase|Stage)) =((?:\s*\|?\s*(?:'[a-z_]+'|[A-Z]\w+))+);/g;

const found = (): Map<string, Set<string>> => {
  const machines = new Map<string, Set<string>>();
  const files = globSync('libs/*/src/domain/**/*.ts').filter((f) => !/spec\.ts$|\/testing\//.test(f));
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const short = file.replace(/^libs\//, '').replace('/src/domain', '');
    const unions = [...text.matchAll(FIELD), ...text.matchAll(NAMED)];
    for (const [, name, union] of unions) {
      const states = [...union!.matchAll(/'([a-z_]+)'/g)].map((m) => m[1]!);
      if (states.length < 2) continue;
      const key = `${short} ${name}`;
      machines.set(key, new Set([...(machines.get(key) ?? []), ...states]));
    }
  }
  return machines;
};

/** Fields of the same name in one file are told apart here by their interface. */
const listed = (): Map<string, Set<string>> => {
  const machines = new Map<string, Set<string>>();
  for (const [key, states] of Object.entries(MACHINES)) {
    const plain = key.replace(/ [A-Z]\w+\./, ' ');
    machines.set(plain, new Set([...(machines.get(plain) ?? []), ...Object.keys(states)]));
  }
  return machines;
};

/** What is only told from the outside, and is no state that something is in. */
const NOT_STATES = new Set(['kubernetes/upgrade/next.ts phase']);
const sorted = (machines: ReadonlyMap<string, ReadonlySet<string>>): object =>
  Object.fromEntries(
    [...machines]
      .filter(([key]) => !NOT_STATES.has(key))
      .map(([key, states]): [string, string[]] => [key, [...states].sort()])
      .sort(([a], [b]) => a.localeCompare(b)),
  );

describe('the states of everything that the platform keeps', () => {
  it('are all listed here, each with its deadline or with why it may last', () => {
    expect(sorted(listed())).toEqual(sorted(found()));
  });

  it('have the deadlines that they are said to have', () => {
    for (const [machine, states] of Object.entries(MACHINES))
      for (const [state, said] of Object.entries(states))
        if (typeof said === 'object' && 'bounded' in said && typeof said.bounded === 'function')
          expect([machine, state, said.bounded()]).toEqual([machine, state, expect.any(Number)]);
  });

  it('lack a deadline nowhere', () => {
    const gaps = Object.entries(MACHINES).flatMap(([machine, states]) =>
      Object.entries(states).flatMap(([state, said]) =>
        typeof said === 'object' && 'gap' in said ? [`${machine.split(' ')[0]} ${state}`] : [],
      ),
    );
    expect(gaps).toEqual([]);
  });
});
