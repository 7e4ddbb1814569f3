import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, type Output } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const SERVER = 'one';
const LAPTOP = 'workstation';
const BOUND_MS = 120_000;

interface Device {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly address_v6: string;
  readonly public_key: string;
  readonly tags: readonly string[];
  readonly last_handshake_at: string | null;
}

describeWithRealParts('an operator’s laptop', { tools: ['wg-quick', 'kubectl', 'ping'] }, () => {
  let rig: LabRig;
  let conf: string;
  let url: string;
  let shortLived: string;

  beforeAll(async () => {
    rig = await LabRig.create({ hosts: [SERVER] });
    conf = join(rig.dataDir, 'laptop.conf');
    await rig.operator.call('system_sdwan_create_network', { name: 'net' });
    shortLived = await issue('late', 10);
    await rig.operator.call('system_create_template', { name: 'servers' });
    const { node } = await rig.operator.call<{ node: { id: string } }>('system_create_node', {
      hostname: SERVER,
      node_template_id: 'servers',
    });
    const { instance } = await rig.operator.call<{ instance: { id: string } }>('system_provision_instance', {
      node_id: node.id,
      driver: 'lab',
    });
    await rig.operator.call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
    await rig.operator.call('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
  });

  afterAll(async () => {
    await rig?.lab.exec(LAPTOP, ['wg-quick', 'down', conf]).catch(() => undefined);
    await rig?.close();
  });

  const issue = async (name: string, ttl_seconds = 300): Promise<string> =>
    (
      await rig.operator.call<{ bootstrap_url: string }>('system_sdwan_issue_user_device', {
        network_id: 'net',
        name,
        tags: ['ops'],
        ttl_seconds,
      })
    ).bootstrap_url;
  const devices = async (): Promise<Device[]> =>
    (await rig.operator.call<{ devices: Device[] }>('system_sdwan_list_user_devices', { network_id: 'net' })).devices;
  /** On the laptop, with what is secret on stdin. */
  const drover = (words: readonly string[], input = ''): Promise<Output> =>
    new Promise((resolve) => {
      const main = join(rig.root, 'bin/drover.mjs');
      const child = rig.lab.spawn(LAPTOP, [process.execPath, main, 'vpn', ...words]);
      const said = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr'] as const)
        child[stream]?.on('data', (chunk: Buffer) => (said[stream] += chunk.toString()));
      child.once('close', (code) => resolve({ code: code ?? 255, ...said }));
      child.stdin?.end(`${input}\n`);
    });
  const sh = async (host: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await rig.lab.exec(host, ['sh', '-c', script]);
    if (code !== 0) throw new Error(`${host}: ${script}: ${stdout}${stderr}`);
    return stdout;
  };
  const kubectl = () => rig.lab.exec(LAPTOP, ['kubectl', '--request-timeout=2s', 'get', 'nodes']);

  it('joins with a URL from stdin and keeps its key; the URL is gone after that', async () => {
    url = await issue('laptop');
    const joined = await drover(['join', '-', '--out', conf, '--json'], url);
    expect([joined.code, joined.stderr]).toEqual([0, '']);
    const file = readFileSync(conf, 'utf8');
    expect(statSync(conf).mode & 0o777).toBe(0o600);
    const [, key] = /PrivateKey = (.{44})/.exec(file)!;
    expect(joined.stdout).not.toContain(key);
    expect(file).toMatch(/Address = \S+\/64, \S+\/\d\d\n/);
    const [laptop] = await devices();
    expect(laptop).toMatchObject({ name: 'laptop', tags: ['ops'], status: 'handshaking' });
    expect(readFileSync(join(rig.dataDir, 'platform.log'), 'utf8')).not.toContain(key);

    const again = await drover(['join', '-', '--out', join(rig.dataDir, 'second.conf')], url);
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/used already[\s\S]*HTTP 410/)]);
    const unused = await issue('other');
    const other = await drover(['join', '-', '--out', conf], unused);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('is there already')]);
    expect(readFileSync(conf, 'utf8')).toBe(file);
    await rig.operator.call('system_sdwan_revoke_user_device', { name: 'other' });
    const revoked = await drover(['join', '-', '--out', join(rig.dataDir, 'other.conf')], unused);
    expect([revoked.code, revoked.stderr]).toEqual([1, expect.stringMatching(/was revoked[\s\S]*HTTP 410/)]);
  });

  it('runs kubectl through the virtual IP with wg-quick and that file', async () => {
    // The daemon that stands in for a kernel module keeps what it is given open.
    await sh(LAPTOP, `wg-quick up ${conf} >/run/wg-quick.log 2>&1 </dev/null || { cat /run/wg-quick.log; exit 1; }`);
    let cluster_id = '';
    await until(
      'the cluster is active',
      async () => {
        const { clusters } = await rig.operator.call<{ clusters: { id: string; status: string }[] }>(
          'kubernetes_list_clusters',
        );
        cluster_id = clusters[0]?.id ?? '';
        return clusters[0]?.status === 'active';
      },
      BOUND_MS,
      200,
    );
    // It was made when the laptop had joined: its virtual IP stands in today's configuration only.
    const fresh = await drover(['refresh', conf, '--apply']);
    expect([fresh.code, fresh.stderr]).toEqual([0, '']);
    const { kubeconfig } = await rig.operator.call<{ kubeconfig: string }>('kubernetes_get_kubeconfig', { cluster_id });
    writeFileSync(rig.lab.kubeconfig, kubeconfig, { mode: 0o600 });
    await until('kubectl lists the node', async () => /\sReady/.test((await kubectl()).stdout), BOUND_MS, 200);
    await until('the list has the handshake', async () => (await devices())[0]?.status === 'connected', BOUND_MS, 200);
    expect((await devices())[0]!.last_handshake_at).toMatch(/^20/);
  });

  it('is cut by its revocation, and cannot come back', async () => {
    const { virtual_ip } = await rig.operator.call<{ virtual_ip: { address: string } }>('system_sdwan_get_virtual_ip', {
      name: 'k3s_api_endpoint',
    });
    const ping = rig.lab.spawn(LAPTOP, ['ping', '-D', '-n', '-i', '0.02', virtual_ip.address]);
    const answered: number[] = [];
    ping.stdout?.on('data', (chunk: Buffer) => {
      for (const [, at] of chunk.toString().matchAll(/\[(\d+\.\d+)\] .*bytes from/g)) answered.push(Number(at) * 1_000);
    });
    await until('pings are answered', () => answered.length > 20);
    const follow = drover(['refresh', conf, '--follow', '--apply']);
    // Another device comes: the laptop's file and its kernel follow, while the pings go on.
    const other = await drover(['join', '-', '--out', join(rig.dataDir, 'other.conf')], await issue('tablet'));
    expect([other.code, other.stderr]).toEqual([0, expect.stringContaining('no known endpoint')]);
    await until('the newcomer is a peer of the laptop', async () => {
      return (await sh(LAPTOP, 'wg show laptop peers')).trim().split('\n').length === 2;
    });
    expect(readFileSync(conf, 'utf8').match(/\[Peer\]/g)).toHaveLength(2);
    // Also while the newcomer was added.
    const before = answered.length;
    await until('pings are answered still', () => answered.length > before + 20);
    const calledMs = Date.now();
    const { device } = await rig.operator.call<{ device: Device }>('system_sdwan_revoke_user_device', {
      name: 'laptop',
    });
    const toldMs = Date.now();
    expect(device.status).toBe('removed');
    await until(
      'the server has no such peer',
      async () => !(await sh(SERVER, 'wg show all peers')).includes(device.public_key),
    );
    let heard = -1;
    const isSilent = () => heard === (heard = answered.length);
    await until('no ping is answered', isSilent, BOUND_MS, 2_000);
    ping.kill('SIGKILL');
    const cutMs = answered.at(-1)! - calledMs;
    process.stderr.write(`  cut ${Math.round(cutMs)} ms after the call, answered in ${toldMs - calledMs} ms\n`);
    expect((await kubectl()).code).not.toBe(0);
    const ended = await follow;
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('HTTP 410')]);
    // A new handshake with the old key is not answered.
    await sh(LAPTOP, `wg-quick down ${conf} && { wg-quick up ${conf} >/run/again.log 2>&1 </dev/null; }`);
    await rig.lab.exec(LAPTOP, ['ping', '-n', '-c', '3', '-i', '0.3', '-W', '1', virtual_ip.address]);
    const handshakes = (await sh(LAPTOP, 'wg show laptop latest-handshakes')).trim().split('\n');
    expect(handshakes.map((line) => line.split('\t')[1])).toEqual(['0', '0']);
    expect((await devices()).map(({ name }) => name)).toEqual(['tablet']);
  });

  it('is refused with 410 after the time of its URL, in words', async () => {
    await until('ten seconds are over', async () => {
      const { grants } = await rig.operator.call<{ grants: { name: string; status: string }[] }>(
        'system_sdwan_list_access_grants',
        { network_id: 'net' },
      );
      return grants.find((grant) => grant.name === 'late')?.status === 'expired';
    });
    const late = await drover(['join', '-', '--out', join(rig.dataDir, 'late.conf')], shortLived);
    expect([late.code, late.stderr]).toEqual([1, expect.stringMatching(/expired at 20[\s\S]*HTTP 410/)]);
  });
});
