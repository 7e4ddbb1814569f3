import { silentLog, type Clock } from '#kernel';
import type { BgpItem, FirewallItem, InterfaceItem } from '#proto';
import { aboutOf, Firewall, type FirewallAbout } from './firewall.js';

const DEVICE = 'wg-sdwan-abcdef';
const lan: InterfaceItem['lan'] = { subnets: ['192.0.2.0/24'], also: [], masquerade: false };
const rules: readonly FirewallItem[] = [];

/** An nft that has one table, as it was written last; or that is broken. */
const world = () => {
  const nft = { table: '', broken: false };
  const run = async (_: string, args: readonly string[], input?: string | Buffer) => {
    if (args[0] === '-s') return { code: nft.table === '' ? 1 : 0, stdout: nft.table, stderr: '' };
    if (nft.broken) return { code: 1, stdout: '', stderr: 'no nftables here' };
    nft.table = String(input);
    return { code: 0, stdout: '', stderr: '' };
  };
  const clock: Pick<Clock, 'monotonicMs'> = { monotonicMs: () => 0 };
  return { nft, firewall: new Firewall({ clock, processes: { run }, log: silentLog }, 7_946) };
};

const section = (about: FirewallAbout) => ({
  iface: { name: DEVICE, lan: about.lan } as InterfaceItem,
  firewall: rules,
  bgp: about.bgpPort === undefined ? undefined : ({ port: about.bgpPort } as BgpItem),
});

describe('what is known of a firewall without asking', () => {
  it('stands on a gateway with the LANs that it was written for, and not with others', async () => {
    const { firewall } = world();
    await firewall.apply(DEVICE, rules, { lan });
    expect(firewall.stands(section({ lan }))).toBe(true);
    expect(firewall.stands(section({}))).toBe(false);
    expect(firewall.stands(section({ lan: { ...lan, subnets: ['192.0.2.0/25'] } }))).toBe(false);
  });

  it('does not stand once the network has routing daemons, nor when it has none any more: the way for BGP opens and closes', async () => {
    const { firewall, nft } = world();
    await firewall.apply(DEVICE, rules);
    expect(firewall.stands(section({ bgpPort: 1_790 }))).toBe(false);
    await firewall.apply(DEVICE, rules, { bgpPort: 1_790 });
    expect(nft.table).toContain('tcp dport 1790 return');
    expect(firewall.stands(section({ bgpPort: 1_790 }))).toBe(true);
    expect(firewall.stands(section({}))).toBe(false);
  });

  it('guards the way out of a hub without LANs, and not the way in', async () => {
    const { firewall, nft } = world();
    const hub = { ...section({}), iface: { name: DEVICE, guard: { also: ['10.42.0.0/16'] } } as InterfaceItem };
    await firewall.apply(DEVICE, rules, aboutOf(hub));
    expect(nft.table).toContain(`iifname "${DEVICE}" oifname != "${DEVICE}" jump to_lan`);
    expect(nft.table).toContain('ip daddr { 10.42.0.0/16 } return');
    expect(nft.table).not.toContain('from_lan');
    expect([firewall.stands(hub), firewall.stands(section({}))]).toEqual([true, false]);
  });

  it('does not guard LANs that could not be written', async () => {
    const { firewall, nft } = world();
    await firewall.apply(DEVICE, rules);
    nft.broken = true;
    await expect(firewall.apply(DEVICE, rules, { lan })).rejects.toThrow('no nftables here');
    expect([firewall.isWritten, firewall.guards(lan)]).toEqual([true, false]);
    nft.broken = false;
    await firewall.apply(DEVICE, rules, { lan });
    expect(firewall.guards(lan)).toBe(true);
  });
});
