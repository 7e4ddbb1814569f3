import { argsFor, cniArgs, joinMismatch, networkProfile, selectCni } from './cni.js';
import { resolveTarget } from './join-target.js';

const GIB = 1024 ** 3;

describe('the choice of the network plugin', () => {
  it('follows the network profile', () => {
    expect(selectCni(null, networkProfile(8 * GIB))).toEqual({ ok: true, plugin: 'ovn_kubernetes' });
    expect(selectCni(null, networkProfile(2 * GIB))).toEqual({ ok: true, plugin: 'flannel' });
    expect(selectCni(null, undefined)).toEqual({ ok: true, plugin: 'flannel' });
  });

  it('takes an override that fits and refuses ovn_kubernetes on a lightweight node', () => {
    expect(selectCni('flannel', 'heavyweight')).toEqual({ ok: true, plugin: 'flannel' });
    expect(selectCni('ovn_kubernetes', 'lightweight')).toMatchObject({
      ok: false,
      refusal: { code: 'CniProfileMismatchError' },
    });
    expect(joinMismatch('ovn_kubernetes', 'lightweight')?.status).toBe(422);
    expect(joinMismatch('flannel', 'heavyweight')).toBeUndefined();
    expect(joinMismatch('flannel', 'heavyweight', 'ovn_kubernetes')?.code).toBe('CniProfileMismatchError');
    expect(joinMismatch('flannel', 'heavyweight', 'flannel')).toBeUndefined();
  });

  it('routes flannel over the overlay only with a pod_subnet_prefix', () => {
    expect(cniArgs('flannel', { handle: 'a1b2c3' }, '10.42.0.0/16')).toEqual([
      '--flannel-iface=wg-sdwan-a1b2c3',
      '--flannel-backend=host-gw',
      '--cluster-cidr=10.42.0.0/16',
    ]);
    expect(cniArgs('flannel', { handle: 'a1b2c3' }, null)).toEqual([]);
    expect(cniArgs('ovn_kubernetes', undefined, null)).toEqual(['--flannel-backend=none', '--disable-network-policy']);
  });
});

describe('the flags of one node', () => {
  const iface = '--flannel-iface=wg-sdwan-a1b2c3';
  const cluster = { cniPlugin: 'flannel', podCidr: '10.42.0.0/16', migration: null } as const;
  const network = { handle: 'a1b2c3' };

  it('give a worker the interface, and leave the rest to the servers', () => {
    expect(argsFor(cluster, 'i1', 'agent', network)).toEqual([iface]);
    expect(argsFor(cluster, 'i1', 'server', network)).toHaveLength(3);
    expect(argsFor({ ...cluster, podCidr: null }, 'i1', 'agent', network)).toEqual([]);
  });

  it('stay as they are until it is the node’s turn in a migration', () => {
    const rest = {
      state: 'running',
      podCidr: '10.42.0.0/16',
      done: [],
      total: 2,
      reason: null,
      currentSince: null,
    } as const;
    const migration = { ...rest, current: 'i1', pending: ['i2'] };
    expect(argsFor({ ...cluster, migration }, 'i1', 'server', network)).toHaveLength(3);
    expect(argsFor({ ...cluster, migration }, 'i2', 'server', network)).toEqual([]);
    expect(argsFor({ ...cluster, migration }, 'joined-meanwhile', 'server', network)).toHaveLength(3);
  });
});

describe('the target of a join', () => {
  const one = { id: 'cluster-1', name: 'alpha', joinable: true };
  const two = { id: 'cluster-2', name: 'beta', joinable: true };

  it('is the named cluster, by id or name', () => {
    expect(resolveTarget('beta', [one, two])).toEqual({ ok: true, clusterId: 'cluster-2' });
    expect(resolveTarget('cluster-1', [one, two])).toEqual({ ok: true, clusterId: 'cluster-1' });
  });

  it('is found by slug, and several clusters of one slug are candidates', () => {
    const named = (id: string, name: string) => ({ id, name, joinable: true });
    const north = named('cluster-3', 'Zürich Nord');
    expect(resolveTarget('zurich-nord', [one, north])).toEqual({ ok: true, clusterId: 'cluster-3' });
    expect(resolveTarget('prod-a', [named('c-1', 'Prod A'), named('c-2', 'prod_a')])).toMatchObject({
      ok: false,
      refusal: { status: 409, code: 'AmbiguousClusterError', candidates: [{ id: 'c-1' }, { id: 'c-2' }] },
    });
    expect(resolveTarget('prod-a', [named('c-1', 'Prod A'), named('c-2', 'prod-a')])).toMatchObject({
      clusterId: 'c-2',
    });
  });

  it('is the only cluster when none is named, and never a guess among several', () => {
    expect(resolveTarget(null, [one])).toEqual({ ok: true, clusterId: 'cluster-1' });
    const refused = resolveTarget(null, [one, two]);
    expect(refused).toMatchObject({ ok: false, refusal: { status: 409, code: 'AmbiguousClusterError' } });
    expect(!refused.ok && refused.refusal.candidates).toHaveLength(2);
  });

  it('is refused with the nearest name when unknown, and with 422 when there is none at all', () => {
    expect(resolveTarget('alpah', [one, two])).toMatchObject({
      ok: false,
      refusal: { status: 404, hint: 'did you mean alpha?' },
    });
    expect(resolveTarget(null, [])).toMatchObject({
      ok: false,
      refusal: { status: 422, code: 'NoClusterAvailableError' },
    });
  });
});
