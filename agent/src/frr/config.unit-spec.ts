import fc from 'fast-check';
import type { ConfigBlock } from '#proto';
import { configDiff, configOf, configText, parseRunning, typed, type Config } from './config.js';

const BGP = 'router bgp 64512';
const V6 = [BGP, 'address-family ipv6 unicast'];

/** A daemon, as far as it keeps lines: written from FRR's behaviour, not from the diff's. */
class Daemon {
  readonly contexts = new Map<string, Set<string>>();
  readonly touched: string[] = [];
  constructor(config: Config) {
    for (const { path, lines } of config.values()) this.at(path, lines);
  }
  private at(path: readonly string[], lines: readonly string[]): Set<string> {
    const key = path.join('\n');
    const known = this.contexts.get(key) ?? new Set<string>();
    for (const line of lines) known.add(line);
    this.contexts.set(key, known);
    return known;
  }
  type(lines: readonly string[]): void {
    let path: string[] = [];
    for (const line of lines) {
      if (line === 'configure terminal' || line === 'end') path = [];
      else if (/^(router bgp|route-map) /.test(line)) this.at((path = [line]), []);
      else if (line.startsWith('address-family')) this.at((path = [...path, line]), []);
      else this.one(path, line);
    }
  }
  private one(path: readonly string[], line: string): void {
    this.touched.push(line);
    const here = this.at(path, []);
    const neighbour = /^no neighbor (\S+)$/.exec(line)?.[1];
    if (neighbour !== undefined)
      for (const lines of this.contexts.values())
        for (const known of lines) if (known.startsWith(`neighbor ${neighbour} `)) lines.delete(known);
    if (line.startsWith('no route-map ')) this.contexts.delete(line.slice(3));
    else if (here.has(line.slice(3)) && line.startsWith('no ')) here.delete(line.slice(3));
    else if (!line.startsWith('no neighbor')) {
      const setting =
        /^(network \S+|neighbor \S+ port|bgp router-id|set \S+|ip(v6)? prefix-list \S+ seq \d+|neighbor \S+ update-source)/.exec(
          line,
        )?.[0];
      const group = /^neighbor (\S+) peer-group \S+$/.exec(line);
      if (
        group !== null &&
        [...here].some((known) => known.startsWith(`${group[0].split(' ').slice(0, 3).join(' ')} `) && known !== line)
      )
        throw new Error('% Cannot change peer-group. Deconfigure first');
      if (setting !== undefined)
        for (const known of here) if (known === setting || known.startsWith(`${setting} `)) here.delete(known);
      here.add(line);
    }
  }
  config(): string {
    return JSON.stringify(
      [...this.contexts]
        .filter(([, l]) => l.size > 0)
        .map(([k, l]) => [k, [...l].sort()])
        .sort(),
    );
  }
}

const shape = fc.record({
  neighbours: fc.uniqueArray(fc.record({ n: fc.nat(5), group: fc.constantFrom('overlay', 'overlay-clients') }), {
    selector: (x) => x.n,
  }),
  vips: fc.uniqueArray(fc.record({ n: fc.nat(3), epoch: fc.integer({ min: 1, max: 4 }) }), { selector: (x) => x.n }),
  pods: fc.uniqueArray(fc.nat(3)),
  prefix: fc.constantFrom('10.42.0.0/16', '10.43.0.0/16'),
});
const blocksOf = (s: {
  neighbours: { n: number; group: string }[];
  vips: { n: number; epoch: number }[];
  pods: number[];
  prefix: string;
}): ConfigBlock[] => [
  { path: [], lines: [`ip prefix-list overlay-in seq 5 permit ${s.prefix} le 32`] },
  ...s.vips.map(({ epoch }) => ({
    path: [`route-map overlay-vip-${epoch} permit 10`],
    lines: [`set local-preference ${1000 + epoch}`],
  })),
  {
    path: [BGP],
    lines: [
      'bgp router-id 100.64.0.1',
      'neighbor overlay peer-group',
      'neighbor overlay-clients peer-group',
      ...s.neighbours.flatMap(({ n, group }) => [
        `neighbor fd00::1:${n} peer-group ${group}`,
        `neighbor fd00::1:${n} port 1790`,
      ]),
    ],
  },
  {
    path: V6,
    lines: [
      'neighbor overlay activate',
      ...s.vips.map((v) => `network fd00::10${v.n}/128 route-map overlay-vip-${v.epoch}`),
    ],
  },
  { path: [BGP, 'address-family ipv4 unicast'], lines: s.pods.map((n) => `network 10.42.${n}.0/24`) },
];

describe('the configuration of a running routing daemon', () => {
  it('is brought from anything to anything, and what stays is not touched', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        const [from, to] = [configOf(blocksOf(a)), configOf(blocksOf(b))];
        const daemon = new Daemon(from);
        daemon.type(typed(configDiff(from, to)));
        expect(daemon.config()).toBe(new Daemon(to).config());
        for (const { n, group } of a.neighbours)
          if (b.neighbours.some((other) => other.n === n && other.group === group))
            expect(
              daemon.touched.filter((line) => line.includes(`fd00::1:${n} `) || line.endsWith(`fd00::1:${n}`)),
            ).toEqual([]);
      }),
    );
  });

  it('needs no command when nothing changes, and is read back from its own text', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const config = configOf(blocksOf(s));
        expect(configDiff(config, config)).toEqual([]);
        expect(
          configDiff(parseRunning(configText(config)), config).filter((c) => !c.line.startsWith('address-family')),
        ).toEqual([]);
      }),
    );
  });

  it('changes the epoch of a virtual IP without a moment in which it is not announced', () => {
    const at = (epoch: number) =>
      configOf(blocksOf({ neighbours: [], vips: [{ n: 0, epoch }], pods: [], prefix: '10.42.0.0/16' }));
    expect(configDiff(at(1), at(2)).map((c) => c.line)).toEqual([
      'set local-preference 1002',
      'network fd00::100/128 route-map overlay-vip-2',
      'no route-map overlay-vip-1 permit 10',
    ]);
  });

  it('has its inner contexts inside their own, also where the outer one has no lines', () => {
    expect(configText(configOf([{ path: ['bfd', 'profile overlay'], lines: ['detect-multiplier 3'] }]))).toBe(
      'bfd\n profile overlay\n  detect-multiplier 3\n exit\nexit\n!\n',
    );
  });

  it('is understood as FRR 8.4 prints it; what is not the agent’s business is left out', () => {
    const running = parseRunning(RUNNING);
    expect([...running.keys()]).toEqual([
      '',
      'route-map overlay-in permit 10',
      BGP,
      `${BGP}\naddress-family ipv4 unicast`,
      V6.join('\n'),
    ]);
    expect(running.get('')!.lines).toEqual(['ip prefix-list overlay-in seq 5 permit 10.45.0.0/16 le 32']);
    expect(running.get(`${BGP}\naddress-family ipv4 unicast`)!.lines).toEqual([
      'network 10.41.1.0/24',
      'neighbor overlay activate',
    ]);
  });
});

const RUNNING = `Building configuration...

Current configuration:
!
frr version 8.4.4
frr defaults traditional
hostname vm
bgp no-rib
service integrated-vtysh-config
!
ip prefix-list overlay-in seq 5 permit 10.45.0.0/16 le 32
!
route-map overlay-in permit 10
 match ip address prefix-list overlay-in
exit
!
router bgp 64512
 bgp router-id 100.64.16.11
 no bgp default ipv4-unicast
 neighbor overlay peer-group
 !
 address-family ipv4 unicast
  network 10.41.1.0/24
  neighbor overlay activate
 exit-address-family
 !
 address-family ipv6 unicast
  neighbor overlay activate
 exit-address-family
exit
!
end
`;
