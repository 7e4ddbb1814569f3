import type { Refusal } from '#kernel';
import { mustCidr, overlaps } from '../ip.js';
import { podPrefixMayChange } from './decide.js';
import { accountPrefix, prefixDecider } from './prefixes.js';
import { drive, code, net } from '../testing/drive.js';

describe('prefixes of an account', () => {
  const claim = (n: number, podSubnetPrefix: string | null = null) => ({
    kind: 'claim' as const,
    accountId: 'account-a',
    networkId: net(n),
    podSubnetPrefix,
  });

  it("never overlap, over hundreds of networks, and stay in the account's /48", () => {
    const { state } = drive(
      prefixDecider,
      Array.from({ length: 300 }, (_, n) => claim(n)),
    );
    const all = [...state.claims.values()].flatMap((c) => [mustCidr(c.cidr_64), mustCidr(c.cidr_v4)]);
    for (const [i, a] of all.entries())
      for (const b of all.slice(i + 1)) if (overlaps(a, b)) throw new Error('overlap');
    expect(all.filter((c) => c.family === 6).every((c) => overlaps(c, accountPrefix('account-a')))).toBe(true);
    expect(new Set([...state.claims.values()].map((c) => c.handle)).size).toBe(state.claims.size);
  });

  it.each([
    ['10.42.0.0/16', '10.42.128.0/17'],
    ['fd42::/48', 'fd42:0:0:8000::/49'],
  ])('refuse a pod prefix that overlaps another, naming the conflict and a free choice: %s', (first, second) => {
    const { answers } = drive(prefixDecider, [claim(1, first), claim(2, second)]);
    expect(answers[1]).toMatchObject({ code: 'pod_subnet_prefix_overlap', field: 'pod_subnet_prefix', status: 409 });
    expect((answers[1] as Refusal).message).toContain(first);
    const free = (answers[1] as Refusal).hint!.replace(' is free', '');
    expect(drive(prefixDecider, [claim(1, first), claim(2, free)]).answers).toEqual(['accept', 'accept']);
  });

  it.each([
    '10.43.0.0/16',
    '100.64.0.0/10',
    '10.42.0.1/16',
    '10.42.0.0',
    '10.42.0.0/24',
    'pods',
    'fd42::/64',
    'fd42::/40',
    'fd00:43::/48',
    'fd42::1/56',
  ])('refuse the pod prefix %s', (prefix) => {
    expect(code(drive(prefixDecider, [claim(1, prefix)]).answers[0])).toMatch(/^pod_subnet_prefix_/);
  });

  it('are free again after a release, and a claim again changes nothing', () => {
    const { answers } = drive(prefixDecider, [
      claim(1, '10.42.0.0/16'),
      claim(1),
      { kind: 'release', networkId: net(1) },
      claim(2, '10.42.0.0/16'),
    ]);
    expect(answers).toEqual(['accept', 'already_claimed', 'accept', 'accept']);
  });

  it("let a cluster's network go from none to exactly the cluster's CIDR and nowhere else", () => {
    const clusters = [{ clusterId: 'cluster-1', podCidr: '10.42.0.0/16', flannel: true }];
    expect(podPrefixMayChange(null, '10.42.0.0/16', clusters).kind).toBe('nothing');
    expect(podPrefixMayChange(null, '10.50.0.0/16', clusters).kind).toBe('reject');
    expect(podPrefixMayChange('10.42.0.0/16', null, clusters).kind).toBe('reject');
    expect(podPrefixMayChange('10.42.0.0/16', '10.44.0.0/16', []).kind).toBe('nothing');
  });
});
