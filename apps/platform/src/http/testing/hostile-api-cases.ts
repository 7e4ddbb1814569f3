import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PaperFleet } from '../../testing/paper-fleet.js';
import type { TestPlatform } from '../../testing/test-platform.js';

type Answering = (request: IncomingMessage, response: ServerResponse) => void;

interface TenantApi {
  readonly kubeconfig: string;
  answering: Answering;
  readonly asked: number;
  connect(): Duplex;
  close(): Promise<void>;
}

/** test/doubles/hostile-api.ts, and the texts beside it. */
interface Hostility {
  readonly texts: readonly string[];
  readonly hidden: RegExp;
  readonly tenantApi: (answering: Answering) => Promise<TenantApi>;
  readonly honest: (nodeName: string) => Answering;
  readonly hostilities: (text: string) => Readonly<Record<string, Answering>>;
}

const MIB = 1024 * 1024;

/** A whole platform with two clusters: the Kubernetes API of one does what it likes to who asks it. */
export const hostileApiCases = (platform: () => TestPlatform, hostility: Hostility): void => {
  const { texts, hidden, tenantApi, honest, hostilities } = hostility;
  const apis = new Map<string, TenantApi>();
  let [hostile, well] = [undefined as TenantApi | undefined, undefined as TenantApi | undefined];
  afterAll(async () => {
    for (const api of apis.values()) await api.close();
  });

  const clusterOf = async (fleet: PaperFleet, name: string, api: TenantApi): Promise<void> => {
    await fleet.ok('system_sdwan_create_network', { name: `${name}-net` });
    await fleet.ok('system_create_template', { name: `${name}-servers` });
    const assignment = { template_id: `${name}-servers`, module_name: 'k3s-server', config: { cluster_name: name } };
    await fleet.ok('system_assign_module_to_template', assignment);
    const server = await fleet.machine(`${name}-1`, `${name}-servers`, `${name}-net`);
    apis.set(server, api);
    await fleet.cluster([server], api.kubeconfig);
  };

  const issue = async (cluster: string, key: string) => {
    const args = { cluster_id: cluster, idempotency_key: `${cluster} ${key}` };
    const { status, body } = await platform().rest('kubernetes_issue_kubeconfig', args);
    return { status, told: JSON.stringify(body) };
  };

  beforeAll(async () => {
    const fleet = new PaperFleet(platform());
    const { gateway } = platform().platform.foundation;
    gateway.openTunnel = async (id) => apis.get(id)!.connect();
    hostile = await tenantApi(honest('evil-1'));
    well = await tenantApi(honest('well-1'));
    await clusterOf(fleet, 'evil', hostile);
    await clusterOf(fleet, 'well', well);
  }, 120_000);

  it('neither grows, nor tells what it was told to, nor leaves the other cluster alone, whatever one API answers', async () => {
    expect((await issue('evil', 'before')).status).toBe(200);
    let peak = 0;
    const before = process.memoryUsage().rss;
    const look = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss - before)), 50);
    const waiting: Promise<unknown>[] = [];
    try {
      for (const [name, answering] of Object.entries(hostilities(texts[0]!.repeat(50)))) {
        hostile!.answering = answering;
        const before = hostile!.asked;
        const asked = issue('evil', name);
        // What never ends is left to its own end.
        if (name.includes('no more')) waiting.push(asked);
        else {
          const { status, told } = await asked;
          expect([name, status >= 400]).toEqual([name, true]);
          expect([name, hidden.test(told), told.length < 3_000]).toEqual([name, false, true]);
        }
        while (hostile!.asked === before) await new Promise((resolve) => setTimeout(resolve, 20));
        expect([name, (await issue('well', name)).status]).toEqual([name, 200]);
      }
      const { body } = await platform().rest('kubernetes_get_cluster', { cluster_id: 'evil' });
      const { body: log } = await platform().rest('recent_events', { kind_prefix: 'system.k3s', limit: 200 });
      const told = JSON.stringify([body, log]);
      expect([hidden.test(told), told.length < 200_000]).toEqual([false, true]);
    } finally {
      clearInterval(look);
    }
    // Without a bound on how many things an answer is of, one answer alone takes several times as much.
    expect(peak / MIB).toBeLessThan(1_000);
    await hostile!.close();
    for (const { status } of (await Promise.all(waiting)) as { status: number }[])
      expect(status).toBeGreaterThanOrEqual(400);
  }, 240_000);
};
