import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Narrator } from '../../apps/lab/src/demo/narrator.js';
import { Operator } from '../../apps/lab/src/demo/operator.js';
import { SERVERS, Story, WORKER, type StoryResult } from '../../apps/lab/src/demo/story.js';
import { labWorld } from '../../apps/lab/src/demo/world.js';
import { Lab } from '../../apps/lab/src/lab.js';
import { detectNetwork } from '../../apps/lab/src/level.js';
import { choosePorts, PlatformProcess } from '../../apps/lab/src/platform-process.js';
import { PingProbe } from '../../apps/lab/src/probes/ping.js';
import { sleep, until } from '../../apps/lab/src/processes.js';
import { compiledCopy } from '../../apps/platform/src/testing/platform-process.js';

const network = detectNetwork();
const real = network.encrypted;
if (!real) {
  process.stderr.write(
    `\n  tutorial-04 over real WireGuard CANNOT RUN here: ${network.missing}\n  DROVER_REQUIRE_REAL=1 makes this a failure.\n\n`,
  );
  if (process.env['DROVER_REQUIRE_REAL'] === '1') throw new Error(`DROVER_REQUIRE_REAL=1, but: ${network.missing}`);
}
const SECOND_WORKER = 'k3s-worker-2';
const FAST = { http: 0, agents: 0, enroll: 0 };

(real ? describe : describe.skip)('tutorial 04 over real WireGuard', () => {
  let built: ReturnType<typeof compiledCopy>;
  let dataDir: string;
  let lab: Lab;
  let platform: PlatformProcess;
  let operator: Operator;
  let story: StoryResult;

  beforeAll(async () => {
    built = compiledCopy();
    const k3s = spawnSync(process.execPath, ['test/doubles/k3s/build.mjs', join(built.root, 'dist/doubles/k3s')], {
      encoding: 'utf8',
    });
    if (k3s.status !== 0) throw new Error(k3s.stderr);
    dataDir = mkdtempSync(join(tmpdir(), 'drover-e2e-'));
    const ports = await choosePorts(FAST);
    lab = await Lab.create({
      hosts: [...SERVERS, WORKER, SECOND_WORKER],
      platformPorts: Object.values(ports),
      root: built.root,
      agentEnv: { K3S_DOUBLE_NODE_GRACE_MS: '6000', K3S_DOUBLE_LEASE_RENEW_MS: '1500' },
    });
    platform = new PlatformProcess({
      root: built.root,
      dataDir,
      ports,
      logFile: join(dataDir, 'platform.log'),
      publicUrl: lab.publicUrl(ports.http),
      provisionerSocket: lab.provisionerSocket,
    });
    await platform.start();
    operator = await connect();
  }, 120_000);

  afterAll(async () => {
    await operator?.close();
    await platform?.stop();
    await lab?.destroy();
    if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
    built?.remove();
  }, 60_000);

  const connect = () => Operator.connect(`${platform.httpUrl}/mcp`, platform.token);
  const holder = async (): Promise<{ instance: string; epoch: number; state: string }> => {
    const { virtual_ip } = await operator.call<{ virtual_ip: { holders: string[]; epoch: number; state: string } }>(
      'system_sdwan_get_virtual_ip',
      { name: 'k3s_api_endpoint' },
    );
    return { instance: virtual_ip.holders[0] ?? '', epoch: virtual_ip.epoch, state: virtual_ip.state };
  };
  const kubectl = (...args: string[]) => lab.exec('workstation', ['kubectl', '--request-timeout=3s', ...args]);
  const machineOf = (instance: string): string =>
    [...lab.agents].find(([, agent]) => agent.instanceId === instance)![0];

  it('plays as written, through MCP calls only, and a drain moves the endpoint without losing it', async () => {
    story = await new Story(operator, labWorld(lab), new Narrator(true)).play();
    expect(story.gaps).toMatchObject({ pingMs: story.drainGapMs });
    for (const gap of [story.gaps.pingMs, story.gaps.httpsMs, story.gaps.watchMs]) expect(gap).toBeLessThan(1_000);
    // The drained node became unschedulable, and the watch told.
    expect(story.gaps.watchEvents).toBeGreaterThan(0);
    const key = await lab.exec('k3s-server-1', ['sh', '-c', 'wg show all peers | wc -l']);
    expect(Number(key.stdout)).toBeGreaterThanOrEqual(4);
  }, 180_000);

  it('keeps the endpoint answering while the platform is stopped', async () => {
    const probe = PingProbe.start(lab, 'workstation', story.vip, 5);
    await platform.stop();
    await sleep(8_000);
    expect((await kubectl('get', '--raw', '/readyz')).stdout).toBe('ok');
    const { longestGapMs, lost, sent } = await probe.stop();
    expect(sent).toBeGreaterThan(1_000);
    expect(lost).toBe(0);
    expect(longestGapMs).toBeLessThan(500);
    await platform.start();
    operator = await connect();
  }, 60_000);

  it('continues after kill -9 of the platform in the middle of a join: nothing lost, nothing doubled', async () => {
    const { node } = await operator.call<{ node: { id: string } }>('system_create_node', {
      hostname: SECOND_WORKER,
      node_template_id: 'k3s-workers',
    });
    const { instance } = await operator.call<{ instance: { id: string } }>('system_provision_instance', {
      node_id: node.id,
      driver: 'lab',
    });
    const { networks } = await operator.call<{ networks: { id: string }[] }>('system_sdwan_list_networks', {});
    await operator.call('system_sdwan_attach_peer', { network_id: networks[0]!.id, node_instance_id: instance.id });
    await platform.stop('SIGKILL');
    await platform.start();
    operator = await connect();
    const nodes = async () =>
      (
        await operator.call<{ nodes: { instance_id: string; status: string }[] }>('kubernetes_list_nodes', {
          cluster_id: story.clusterId,
        })
      ).nodes;
    await until(
      'the second worker is ready',
      async () => (await nodes()).some((n) => n.instance_id === instance.id && n.status === 'ready'),
      60_000,
      200,
    );
    const listed = await nodes();
    expect(new Set(listed.map((n) => n.instance_id)).size).toBe(listed.length);
    expect(listed).toHaveLength(5);
    expect(await operator.call('verify_audit', {})).toMatchObject({ intact: true });
  }, 120_000);

  it('answers again through a survivor after kill -9 of the holder’s host', async () => {
    const before = await holder();
    const probe = PingProbe.start(lab, 'workstation', story.vip, 5);
    await sleep(300);
    await lab.kill9Host(machineOf(before.instance));
    await until(
      'the VIP has another holder',
      async () => {
        const now = await holder();
        return now.state === 'active' && now.epoch > before.epoch && now.instance !== before.instance;
      },
      20_000,
      50,
    );
    await until('kubectl answers through the VIP', async () => (await kubectl('get', 'nodes')).code === 0, 20_000, 100);
    const { longestGapMs } = await probe.stop();
    process.stderr.write(`  kill -9 of the holder's host: the VIP was away for ${longestGapMs.toFixed(0)} ms\n`);
    expect(longestGapMs).toBeLessThan(5_000);
    expect((await kubectl('get', 'nodes')).stdout).toContain('k3s-worker-1');
  }, 90_000);
});
