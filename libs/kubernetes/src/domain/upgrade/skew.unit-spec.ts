import fc from 'fast-check';
import { planNodes, type ClusterMember } from './plan.js';
import { checkSkew, type RunningVersion } from './skew.js';
import { compareVersions, parseVersion } from './version.js';

const node = (name: string, role: 'server' | 'agent', version: string | null): RunningVersion => ({
  instanceId: `instance-${name}`,
  name,
  role,
  version,
});
const s = (version: string | null) => node('s', 'server', version);
const w = (version: string | null) => node('w', 'agent', version);

describe('K3s versions', () => {
  it.each([
    ['v1.30.5+k3s1', 'v1.30.5+k3s2', -1],
    ['v1.30.10+k3s1', 'v1.30.9+k3s9', 1],
    ['v1.31.0-rc1+k3s1', 'v1.31.0+k3s1', -1],
    ['v1.31.0-rc2+k3s1', 'v1.31.0-rc10+k3s1', -1],
    ['v1.31.0+k3s1', '1.31.0+k3s1', 0],
  ])('compares %s with %s', (a, b, sign) => {
    expect(Math.sign(compareVersions(parseVersion(a)!, parseVersion(b)!))).toBe(sign);
  });
  it.each(['latest', 'v1.31', '', 'v1.31.0+rke2r1'])('does not take %j for one', (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });
});

describe('the version skew policy', () => {
  it.each([
    ['a patch', 'v1.30.6+k3s1', [s('v1.30.5+k3s1'), w('v1.30.5+k3s1')]],
    ['the next minor', 'v1.31.2+k3s1', [s('v1.30.5+k3s1'), w('v1.30.5+k3s1')]],
    ['what an aborted upgrade left', 'v1.31.2+k3s1', [s('v1.31.2+k3s1'), s('v1.30.5+k3s1'), w('v1.29.0+k3s1')]],
  ])('allows %s', (_what, target, nodes) => {
    expect(checkSkew(target, nodes)).toBeUndefined();
  });
  it.each([
    ['a skipped minor', 'v1.32.0+k3s1', [s('v1.30.5+k3s1')], 'upgrade to a v1.31 release first'],
    ['a skip of the oldest server', 'v1.32.0+k3s1', [s('v1.31.2+k3s1'), s('v1.30.5+k3s1')], 'v1.31'],
    ['a downgrade', 'v1.30.5+k3s1', [s('v1.31.2+k3s1')], 'kubernetes_rollback_upgrade'],
    ['a worker that is newer', 'v1.30.6+k3s1', [s('v1.30.5+k3s1'), w('v1.31.2+k3s1')], 'kubernetes_rollback_upgrade'],
    ['a worker left too far behind', 'v1.31.0+k3s1', [s('v1.30.5+k3s1'), w('v1.27.9+k3s1')], 'workers first'],
    ['an unknown version', 'v1.31.0+k3s1', [s('v1.30.5+k3s1'), w(null)], 'ready'],
    ['another major', 'v2.0.0+k3s1', [s('v1.30.5+k3s1')], 'v1.31'],
  ])('refuses %s and says what would work', (_what, target, nodes, hint) => {
    expect(checkSkew(target, nodes)).toMatchObject({ status: 409, code: 'version_skew', field: 'version' });
    expect(checkSkew(target, nodes)?.hint).toContain(hint);
  });

  it('never lets a kubelet be newer than a server, nor an API server jump a minor', () => {
    const version = fc
      .tuple(fc.integer({ min: 27, max: 33 }), fc.integer({ min: 0, max: 3 }))
      .map(([minor, patch]) => `v1.${minor}.${patch}+k3s1`);
    const members = fc.array(fc.tuple(fc.constantFrom('server' as const, 'agent' as const), version), { maxLength: 6 });
    fc.assert(
      fc.property(version, members, (target, list) => {
        const nodes = list.map(([role, v], i) => node(`n${i}`, role, v));
        if (checkSkew(target, nodes) !== undefined) return;
        const to = parseVersion(target)!;
        for (const n of nodes) {
          const from = parseVersion(n.version!)!;
          expect(compareVersions(from, to)).toBeLessThanOrEqual(0);
          if (n.role === 'server') expect(to.minor - from.minor).toBeLessThanOrEqual(1);
          else expect(to.minor - from.minor).toBeLessThanOrEqual(3);
        }
      }),
    );
  });
});

it('plans servers first, canaries first among each, and leaves out what is away or done', () => {
  const member = (name: string, role: 'server' | 'agent', over: Partial<ClusterMember> = {}): ClusterMember => ({
    instanceId: `instance-${name}`,
    name,
    role,
    status: 'ready',
    version: 'v1.30.5+k3s1',
    versionId: null,
    drained: false,
    ...over,
  });
  const members = [
    member('w2', 'agent'),
    member('s2', 'server'),
    member('w1', 'agent'),
    member('w3', 'agent', { status: 'not_ready' }),
    member('s1', 'server', { status: 'not_ready' }),
    member('s3', 'server', { version: 'v1.31.2+k3s1' }),
  ];
  const plan = planNodes(members, 'v1.31.2+k3s1', 1);
  expect(plan.nodes.map((n) => `${n.name}${n.canary ? ' canary' : ''}`)).toEqual([
    's1 canary',
    's2',
    'w1 canary',
    'w2',
  ]);
  expect(plan.left.map((n) => `${n.name}: ${n.reason}`)).toEqual([
    'w3: it is not_ready',
    's3: it runs v1.31.2+k3s1 already',
  ]);
});
