import fc from 'fast-check';
import type { Refusal } from '#kernel';
import { contains, mustCidr, network, overlaps, sizeOf } from '../ip.js';
import { code, drive, net, uuid } from '../testing/drive.js';
import { without } from './lan.js';
import { prefixDecider, type PrefixCommand } from './prefixes.js';

const peer = (n: number) => `sdwan_peer-${uuid(n)}`;
const claim = (n: number, podSubnetPrefix: string | null = null): PrefixCommand => ({
  kind: 'claim',
  accountId: 'account-a',
  networkId: net(n),
  podSubnetPrefix,
});
const lan = (n: number, ...subnets: string[]): PrefixCommand => ({
  kind: 'claim_lan',
  networkId: net(1),
  peerId: peer(n),
  subnets,
});

describe('LANs behind peers', () => {
  it.each([
    ['192.168.1', 'lan_subnet_invalid', /192\.168\.10\.0\/24/],
    ['192.168.1.7/24', 'lan_subnet_invalid', /use 192\.168\.1\.0\/24/],
    ['0.0.0.0/0', 'lan_subnet_invalid', /length of 8 or more/],
    ['127.0.0.0/8', 'lan_subnet_overlap', /loopback/],
    ['fe80::/64', 'lan_subnet_overlap', /link-local/],
    ['10.43.7.0/24', 'lan_subnet_overlap', /service range/],
    ['10.42.3.0/24', 'lan_subnet_overlap', /pod_subnet_prefix of network/],
    ['10.42.0.0/15', 'lan_subnet_overlap', /10\.43\.0\.0\/16/],
    ['192.168.77.128/25', 'lan_subnet_overlap', new RegExp(`LAN behind ${peer(1)}`)],
  ])('are refused as %s: %s', (text, wanted, words) => {
    const { answers } = drive(prefixDecider, [claim(1, '10.42.0.0/16'), lan(1, '192.168.77.0/24'), lan(2, text)]);
    const answer = answers.at(-1) as Refusal;
    expect([code(answer), answer.field]).toEqual([wanted, 'lan_subnets']);
    expect(`${answer.message} ${answer.hint}`).toMatch(words);
  });

  it('do not overlap any network of the account, nor each other, whichever comes first', () => {
    const { state } = drive(prefixDecider, [claim(1), claim(2)]);
    for (const { cidr_64, cidr_v4 } of state.claims.values())
      for (const prefix of [cidr_64, cidr_v4])
        expect(code(drive(prefixDecider, [claim(1), claim(2), lan(1, prefix)]).answers.at(-1))).toBe(
          'lan_subnet_overlap',
        );
    expect(code(drive(prefixDecider, [claim(1), lan(1, '10.0.0.0/16', '10.0.9.0/24')]).answers.at(-1))).toBe(
      'lan_subnet_overlap',
    );
    const pods = drive(prefixDecider, [claim(1), lan(1, '10.44.0.0/24'), claim(2, '10.44.0.0/16')]).answers.at(-1);
    expect(code(pods)).toBe('pod_subnet_prefix_overlap');
  });

  it('are given back, and replaced as a whole', () => {
    const first = lan(1, '192.168.2.0/24', '192.168.1.0/24');
    const { state, answers } = drive(prefixDecider, [
      claim(1),
      first,
      first,
      lan(1, '192.168.1.0/24'),
      lan(2, '192.168.2.0/24'),
    ]);
    expect(answers.map(code)).toEqual(['accept', 'accept', 'unchanged', 'accept', 'accept']);
    expect(state.lans.get(peer(1))?.subnets).toEqual(['192.168.1.0/24']);
    const gone = drive(prefixDecider, [claim(1), first, lan(1), lan(2, '192.168.2.0/24')]);
    expect(gone.answers.at(-1)).toBe('accept');
    expect(gone.state.lans.has(peer(1))).toBe(false);
  });

  it('are told what is left beside a conflict: exactly the rest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 28 }), fc.nat(12), fc.nat(2 ** 31), (length, deeper, seed) => {
        const whole = network({ family: 4, value: BigInt(seed), length });
        const part = network({
          ...whole,
          value: whole.value + BigInt(seed % Number(sizeOf(whole))),
          length: Math.min(32, length + deeper),
        });
        const rest = without(whole, part);
        expect(rest.reduce((sum, one) => sum + sizeOf(one), sizeOf(part))).toBe(sizeOf(whole));
        for (const [i, one] of rest.entries()) {
          expect(contains(whole, one)).toBe(true);
          expect(overlaps(one, part)).toBe(false);
          for (const other of rest.slice(i + 1)) expect(overlaps(one, other)).toBe(false);
        }
      }),
    );
    expect(without(mustCidr('10.0.0.0/24'), mustCidr('10.1.0.0/24'))).toEqual([]);
  });
});
