import { rmSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Operator } from '../demo/operator.js';
import { Lab } from '../lab.js';
import { choosePorts, PlatformProcess } from '../platform-process.js';
import { until } from '../processes.js';

export interface OverlayPeer {
  readonly id: string;
  readonly name: string;
  readonly host_address: string;
  readonly address_v4: string;
  readonly status: string;
  readonly public_key: string | null;
  readonly applied_generation: string | null;
  readonly behind: boolean | null;
  readonly last_error: string | null;
  readonly effective_endpoint: string | null;
}
export interface RigOptions {
  readonly root: string;
  readonly hosts: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Machines of a lab with a platform and nothing but an overlay: for tests and benches of the overlay itself. */
export class OverlayRig {
  private readonly instances = new Map<string, { readonly id: string; readonly name: string }>();

  private constructor(
    readonly lab: Lab,
    readonly platform: PlatformProcess,
    readonly operator: Operator,
    private readonly dir: string,
  ) {}

  static async create({ root, hosts, env }: RigOptions): Promise<OverlayRig> {
    const dir = mkdtempSync(join(tmpdir(), 'drover-overlay-'));
    const ports = await choosePorts({ http: 0, agents: 0, enroll: 0 });
    const lab = await Lab.create({ hosts: [...hosts], platformPorts: Object.values(ports), root });
    const platform = new PlatformProcess({
      root,
      dataDir: dir,
      ports,
      logFile: join(dir, 'platform.log'),
      publicUrl: lab.publicUrl(ports.http),
      provisionerSocket: lab.provisionerSocket,
      ...(env === undefined ? {} : { env }),
    });
    await platform.start();
    const operator = await Operator.connect(`${platform.httpUrl}/mcp`, platform.token);
    const rig = new OverlayRig(lab, platform, operator, dir);
    await operator.call('system_create_template', { name: 'plain' });
    await Promise.all(hosts.map((host) => rig.provision(host)));
    return rig;
  }

  private async provision(host: string): Promise<void> {
    const { node } = await this.operator.call<{ node: { id: string } }>('system_create_node', {
      hostname: host,
      node_template_id: 'plain',
    });
    const { instance } = await this.operator.call<{ instance: { id: string; name: string } }>(
      'system_provision_instance',
      { node_id: node.id, driver: 'lab' },
    );
    this.instances.set(host, instance);
  }

  async attach(network: string, host: string, more: object = {}): Promise<OverlayPeer> {
    const { peer } = await this.operator.call<{ peer: OverlayPeer }>('system_sdwan_attach_peer', {
      network_id: network,
      node_instance_id: this.instances.get(host)!.id,
      ...more,
    });
    return peer;
  }

  async peers(network: string): Promise<OverlayPeer[]> {
    return (await this.operator.call<{ peers: OverlayPeer[] }>('system_sdwan_list_peers', { network_id: network }))
      .peers;
  }

  async peer(network: string, host: string): Promise<OverlayPeer> {
    const { name } = this.instances.get(host)!;
    return (await this.peers(network)).find((peer) => peer.name === name)!;
  }

  connected(network: string, count: number): Promise<void> {
    return until(
      `${count} peers of ${network} are connected`,
      async () => (await this.peers(network)).filter((peer) => peer.status === 'connected').length === count,
      120_000,
      100,
    );
  }

  async sh(host: string, script: string): Promise<string> {
    const { code, stdout, stderr } = await this.lab.exec(host, ['sh', '-c', script]);
    if (code !== 0) throw new Error(`${host}: ${script}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Answers of three pings; an error (no route, no key) is none. */
  async answers(host: string, to: string, before: readonly string[] = [], from?: string): Promise<number> {
    const source = from === undefined ? [] : ['-I', from];
    const ping = ['ping', '-n', '-c', '3', '-i', '0.05', '-W', '1', ...source, to];
    const { stdout } = await this.lab.exec(host, [...before, ...ping]);
    return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
  }

  async close(): Promise<void> {
    await this.operator.close();
    await this.platform.stop();
    await this.lab.destroy();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
