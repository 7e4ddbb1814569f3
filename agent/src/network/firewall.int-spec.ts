import { silentLog, systemTimers } from '#kernel';
import type { FirewallItem } from '#proto';
import type { Spawned } from '../ports.js';
import { eventually } from '../testing/harness.js';
import { makeNetwork, missingForReal, realOrExplain, type Netns } from '../testing/netns.js';
import { Firewall } from './firewall.js';
import { firewallScript, firewallTable, removalScript } from './firewall-script.js';

const DEVICE = 'veth0';
const LEASE_PORT = 7447;
const [CLIENT, SERVER] = ['fd99::1', 'fd99::2'];
const wait = (ms: number) => new Promise<void>((resolve) => systemTimers.after(ms, resolve));

const rule = (order: number, more: Partial<FirewallItem>): FirewallItem => ({
  rule_id: `r${order}`,
  order,
  action: 'drop',
  direction: 'ingress',
  protocol: 'any',
  ports: null,
  source: null,
  destination: null,
  ...more,
});

describe('the script of an interface’s firewall', () => {
  it('has a line for each family that a rule is about, and none where a selector has nothing in it', () => {
    const script = (more: Partial<FirewallItem>) => firewallScript('wg-sdwan-abcdef', [rule(0, more)], LEASE_PORT);
    const both = script({ source: ['10.0.0.0/8', 'fd00::/64'], protocol: 'tcp', ports: [6443, 6443] });
    expect(both).toContain('ip saddr { 10.0.0.0/8 } tcp dport 6443-6443 counter drop');
    expect(both).toContain('ip6 saddr { fd00::/64 } tcp dport 6443-6443 counter drop');
    const one = script({ source: ['fd00::1/128'], destination: ['10.0.0.1/32'] });
    expect(one).not.toContain('counter drop');
  });

  it('leaves out what lies inside another prefix, which nft would refuse', () => {
    const script = firewallScript('d', [rule(0, { source: ['fd00::5/128', 'fd00::/64', 'fd00::/64'] })], LEASE_PORT);
    expect(script).toContain('ip6 saddr { fd00::/64 } counter drop');
  });

  it('stands without rules too, so that connections are tracked before the first one', () => {
    expect(firewallScript('wg-x', [], LEASE_PORT)).toContain('ct direction reply');
    expect(removalScript('wg-x')).toBe('add table inet drover_wg_x\ndelete table inet drover_wg_x\n');
  });
});

describe('the firewall, with real packets', () => {
  let real: boolean;
  let nodes: Netns[] = [];
  let remove: () => Promise<void> = async () => undefined;
  const servers: Spawned[] = [];
  let nowMs = 0;
  let said: string[] = [];

  beforeAll(async () => {
    real = realOrExplain(await missingForReal(), 'the firewall');
    if (!real) return;
    ({ nodes, remove } = await makeNetwork(3));
    const [, server] = nodes;
    for (const port of [7000, 7001]) {
      const listen = [`TCP6-LISTEN:${port},fork,reuseaddr`, 'EXEC:cat'];
      servers.push(await server!.processes.spawnDetached('socat', listen));
    }
    servers.push(await server!.processes.spawnDetached('socat', [`UDP6-RECVFROM:${LEASE_PORT},fork`, 'EXEC:cat']));
    await eventually('the servers to listen', async () => (await connects(7000)) && (await connects(7001)));
  });
  afterAll(async () => {
    for (const { pid } of servers) nodes[1]!.processes.kill(pid, 'SIGKILL');
    await remove();
  });
  beforeEach(() => {
    nowMs = 0;
    said = [];
  });

  /** What the server answers within half a second, through one connection. */
  const says = async (to: string, text: string): Promise<string> =>
    (await nodes[0]!.processes.run('socat', ['-t', '0.5', '-T', '0.5', '-', to], text)).stdout;
  const connects = async (port: number): Promise<boolean> =>
    (await says(`TCP6:[${SERVER}]:${port},connect-timeout=0.5`, 'hello')) === 'hello';
  const reaches = async (from: Netns, to: string) =>
    (await from.processes.run('ping', ['-n', '-c', '1', '-W', '1', to])).code === 0;
  /** Once is enough: what is dropped is dropped each time, and a busy machine may need more than half a second. */
  const answers = (port: number) => eventually(`port ${port} to answer`, () => connects(port));
  /** A connection that has been answered. */
  const established = async () => {
    let heard = '';
    const pipe = nodes[0]!.processes.openPipe('sh', ['-c', `exec socat - TCP6:[${SERVER}]:7000 1>&2`], {
      onStderr: (text) => void (heard += text),
      onEnd: () => undefined,
    });
    pipe.write('one\n');
    await eventually('an answer', () => heard === 'one\n');
    const staysSilent = async () => {
      pipe.write('two\n');
      await wait(600);
      pipe.kill();
      expect(heard).toBe('one\n');
    };
    return { staysSilent };
  };
  const onNode = (n: number): Firewall => {
    const log = { ...silentLog, warn: (_fields: object, message: string) => void said.push(message) };
    return new Firewall({ clock: { monotonicMs: () => nowMs }, processes: nodes[n]!.processes, log }, LEASE_PORT);
  };
  const check = (name: string, test: () => Promise<void>) => it(name, async () => (real ? test() : undefined));

  check('drops what a rule names, and nothing else; the first rule that matches decides', async () => {
    const firewall = onNode(1);
    const closed = rule(1, { protocol: 'tcp', ports: [7000, 7000], destination: [`${SERVER}/128`] });
    await firewall.apply(DEVICE, [closed]);
    expect(await connects(7000)).toBe(false);
    await answers(7001);
    await firewall.apply(DEVICE, [rule(0, { ...closed, action: 'accept', source: [`${CLIENT}/128`] }), closed]);
    await answers(7000);
    await firewall.apply(DEVICE, [rule(0, { ...closed, action: 'accept', source: ['fd99::9/128'] }), closed]);
    expect(await connects(7000)).toBe(false);
    await firewall.remove(DEVICE);
    await answers(7000);
  });

  check('cuts what is established, at once', async () => {
    const firewall = onNode(1);
    const line = await established();
    await firewall.apply(DEVICE, [rule(0, { protocol: 'tcp', ports: [7000, 7000] })]);
    await line.staysSilent();
    await firewall.remove(DEVICE);
  });

  check('cuts what is established also when this node speaks next', async () => {
    const firewall = onNode(1);
    await firewall.apply(DEVICE, []);
    const line = await established();
    await firewall.apply(DEVICE, [rule(0, { protocol: 'tcp', ports: [7000, 7000] })]);
    await line.staysSilent();
    await firewall.remove(DEVICE);
    expect((await nodes[1]!.processes.run('nft', ['list', 'tables'])).stdout).not.toContain(firewallTable(DEVICE));
  });

  check('accepts for one direction only: what a hub forwards is judged by the other as well', async () => {
    const script = firewallScript(
      DEVICE,
      [rule(0, { action: 'accept' }), rule(1, { direction: 'egress' })],
      LEASE_PORT,
    );
    expect(script).not.toMatch(/accept$/m);
    const loop = onNode(1);
    await loop.apply(DEVICE, [rule(0, { action: 'accept' }), rule(1, { direction: 'egress', protocol: 'icmp' })]);
    await answers(7000);
    await eventually('an echo', () => reaches(nodes[0]!, SERVER));
    expect(await reaches(nodes[1]!, CLIENT)).toBe(false);
    await loop.remove(DEVICE);
  });

  check('lets replies to what was allowed pass, and the datagrams of the leases always', async () => {
    const [client, server] = [onNode(0), onNode(1)];
    await client.apply(DEVICE, [rule(0, {})]);
    await answers(7000);
    await server.apply(DEVICE, [rule(0, {})]);
    expect(await connects(7000)).toBe(false);
    const isHeard = async () => (await says(`UDP6:[${SERVER}]:${LEASE_PORT}`, 'beat')) === 'beat';
    await eventually('the datagram to be answered', isHeard);
    await client.remove(DEVICE);
    await server.remove(DEVICE);
  });

  check('is enforced on the way out as well', async () => {
    const client = onNode(0);
    await client.apply(DEVICE, [rule(0, { direction: 'egress', protocol: 'tcp', destination: [`${SERVER}/128`] })]);
    expect(await connects(7000)).toBe(false);
    await client.remove(DEVICE);
  });

  check(
    'lets nobody out through a hub that was given no LAN, and answers come back to who asked from there',
    async () => {
      const [client, hub, box] = nodes as [Netns, Netns, Netns];
      const ip = async (node: Netns, ...args: string[]) =>
        expect(await node.processes.run('ip', args)).toMatchObject({ code: 0 });
      await ip(hub, 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', box.name);
      for (const [node, address] of [[hub, 'fd55::1/64'] as const, [box, 'fd55::2/64'] as const]) {
        await ip(node, 'addr', 'add', address, 'dev', 'lan0', 'nodad');
        await ip(node, 'link', 'set', 'lan0', 'up');
      }
      await ip(client, 'route', 'add', 'fd55::/64', 'via', SERVER);
      await ip(box, 'route', 'replace', 'fd99::1/128', 'via', 'fd55::1');
      await hub.processes.run('sysctl', ['-q', '-w', 'net.ipv6.conf.all.forwarding=1']);
      await eventually('the hub to forward', () => reaches(client, 'fd55::2'));
      const firewall = onNode(1);
      const none = { subnets: [], also: [], masquerade: false };
      await firewall.apply(DEVICE, [], { lan: none });
      await eventually('the box to reach out', () => reaches(box, CLIENT));
      expect(await reaches(client, 'fd55::2')).toBe(false);
      // Pods of its own, and a LAN, are something else.
      await firewall.apply(DEVICE, [], { lan: { ...none, also: ['fd55::/64'] } });
      await eventually('its own pods to be reached', () => reaches(client, 'fd55::2'));
      await firewall.apply(DEVICE, [], { lan: { ...none, subnets: ['fd55::/64'] } });
      await eventually('the LAN to be reached', () => reaches(client, 'fd55::2'));
      await eventually('the box to reach out again', () => reaches(box, CLIENT));
      await firewall.remove(DEVICE);
    },
  );

  check('is written again when somebody changed it', async () => {
    const firewall = onNode(1);
    const rules = [rule(0, { protocol: 'tcp', ports: [7000, 7000] })];
    await firewall.apply(DEVICE, rules);
    await nodes[1]!.processes.run('nft', ['flush', 'chain', 'inet', firewallTable(DEVICE), 'ingress']);
    await answers(7000);
    nowMs += 5_000;
    await firewall.apply(DEVICE, rules);
    expect(said).toEqual(['somebody changed the firewall; it is written again']);
    expect(await connects(7000)).toBe(false);
    await firewall.remove(DEVICE);
  });

  check(
    'is replaced in one step: of what is under way nothing allowed is dropped and nothing forbidden passes',
    async () => {
      const [client, server] = nodes as [Netns, Netns];
      const firewall = onNode(1);
      const open = rule(1, { action: 'accept', protocol: 'udp', ports: [7100, 7100] });
      const shut = rule(2, { protocol: 'udp' });
      // They say the same, and are not the same.
      const sets = [
        [open, shut],
        [rule(0, { ...open, source: [`${CLIENT}/128`] }), open, shut],
      ];
      await firewall.apply(DEVICE, sets[0]!);
      const count = 'udp dport 7100 counter; udp dport 7101 counter;';
      // On both sides of the firewall: what a busy machine loses before it is nobody's fault.
      const counters = `table inet seen {
      chain before { type filter hook prerouting priority -300; ${count} }
      chain behind { type filter hook input priority 0; ${count} }
    }`;
      expect(await server.processes.run('nft', ['-f', '-'], counters)).toMatchObject({ code: 0 });
      const seen = async () => {
        const { stdout } = await server.processes.run('nft', ['list', 'table', 'inet', 'seen']);
        const [allowed, forbidden, allowedPassed, forbiddenPassed] = [...stdout.matchAll(/packets (\d+)/g)].map((m) =>
          Number(m[1]),
        ) as [number, number, number, number];
        return { allowed, forbidden, allowedPassed, forbiddenPassed };
      };
      const send = `const s = require('dgram').createSocket('udp6').on('error', () => undefined);
      setInterval(() => { for (const port of [7100, 7101]) s.send('x', port, '${SERVER}'); }, 1);
      process.stdin.on('end', () => process.exit()).resume();`;
      const nothing = { onStderr: () => undefined, onEnd: () => undefined };
      const sender = client.processes.openPipe(process.execPath, ['-e', send], nothing);
      const areMore = async (than: { allowed: number; forbidden: number }) => {
        const { allowed, forbidden } = await seen();
        return allowed > than.allowed + 20 && forbidden > than.forbidden + 20;
      };
      await eventually('packets to come', () => areMore({ allowed: 0, forbidden: 0 }));
      const before = await seen();
      for (let n = 1; n <= 30; n++) await firewall.apply(DEVICE, sets[n % 2]!);
      await eventually('packets to have come meanwhile', () => areMore(before));
      sender.kill();
      let last = await seen();
      await eventually('the last packet to be counted', async () => {
        const previous = last;
        last = await seen();
        return previous.allowed === last.allowed && previous.forbidden === last.forbidden;
      });
      expect(last).toMatchObject({ allowedPassed: last.allowed, forbiddenPassed: 0 });
      await server.processes.run('nft', ['delete', 'table', 'inet', 'seen']);
      await firewall.remove(DEVICE);
    },
  );

  check('keeps the earlier rules when new ones are refused, and says so', async () => {
    const firewall = onNode(1);
    await firewall.apply(DEVICE, [rule(0, { protocol: 'tcp', ports: [7000, 7000] })]);
    await expect(firewall.apply(DEVICE, [rule(0, { protocol: 'tcp', ports: [9, 8] })])).rejects.toThrow(/^nft: /);
    expect(await connects(7000)).toBe(false);
    await firewall.remove(DEVICE);
  });
});
