import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Narrator } from '../../../apps/lab/src/demo/narrator.js';
import { SERVERS, Story, WORKER } from '../../../apps/lab/src/demo/story.js';
import { labWorld } from '../../../apps/lab/src/demo/world.js';
import { Lab } from '../../../apps/lab/src/lab.js';
import { choosePorts, PlatformProcess } from '../../../apps/lab/src/platform-process.js';
import { sleep, until } from '../../../apps/lab/src/processes.js';
import { PatientOperator } from '../../soaks/support/patient-operator.js';
import { undoLater } from '../../soaks/support/cleanup.js';

export interface Standing {
  readonly holder: string | undefined;
  readonly instance: string | undefined;
  readonly epoch: number;
  readonly state: string;
}
interface Moved {
  readonly epoch: number;
  readonly reason: string;
}

const LAPSE = /lease lost, address dropped/g;
/** Fast beats in a row before a candidate is judged fast again, and a moment for K3s. */
const STEADY_MS = 2_500;

/** Tutorial 04 in a lab with further machines beside it: what an operator has, and faults. */
export class FailoverRig {
  readonly operator: PatientOperator;
  vip = '';
  private readonly undo: () => Promise<void>;

  private constructor(
    readonly lab: Lab,
    readonly platform: PlatformProcess,
    private readonly dataDir: string,
    private readonly logsTo: string | undefined,
  ) {
    this.operator = new PatientOperator(`${platform.httpUrl}/mcp`, () => platform.token);
    this.undo = undoLater(() => this.tearDown());
  }

  /** `logsTo`: a folder that gets everybody's logs in the end. */
  static async create(root: string, others: readonly string[], logsTo?: string): Promise<FailoverRig> {
    const dataDir = mkdtempSync(join(tmpdir(), 'drover-bench-'));
    const ports = await choosePorts({ http: 0, agents: 0, enroll: 0 });
    const lab = await Lab.create({
      hosts: [...SERVERS, WORKER, ...others],
      platformPorts: Object.values(ports),
      root,
    });
    const platform = new PlatformProcess({
      root,
      dataDir,
      ports,
      logFile: join(dataDir, 'platform.log'),
      publicUrl: lab.publicUrl(ports.http),
      provisionerSocket: lab.provisionerSocket,
    });
    const rig = new FailoverRig(lab, platform, dataDir, logsTo);
    await platform.start();
    const story = new Story(rig.operator.asOperator, labWorld(lab), new Narrator(true));
    const { vip, bootstrapInstance } = await story.play();
    rig.vip = vip;
    await rig.uncordon(bootstrapInstance);
    return rig;
  }

  async standing(): Promise<Standing> {
    const { virtual_ip } = await this.operator.call<{
      virtual_ip: { holders: string[]; epoch: number; state: string };
    }>('system_sdwan_get_virtual_ip', { name: 'k3s_api_endpoint' });
    const [instance] = virtual_ip.holders;
    const holder = SERVERS.find((name) => this.lab.agents.get(name)?.instanceId === instance);
    return { holder, instance, epoch: virtual_ip.epoch, state: virtual_ip.state };
  }

  /** Waits until another one holds the VIP, and everybody has been told. */
  async moved(before: Standing): Promise<Standing> {
    let now = before;
    const look = async () => {
      now = await this.standing();
      return now.state === 'active' && now.epoch > before.epoch && now.instance !== before.instance;
    };
    await until(`the VIP has left ${before.holder ?? 'its holder'}`, look, 30_000, 100);
    return now;
  }

  async drain(instance: string): Promise<void> {
    await this.operator.call('system_drain_instance', { id: instance });
  }

  async uncordon(instance: string): Promise<void> {
    await until('the drain has ended', async () => (await this.statusOf(instance)) === 'drained', 60_000, 200);
    await this.operator.call('system_uncordon_instance', { id: instance });
    await this.fit(instance);
  }

  /** Power and link go at once: nothing says goodbye. */
  async crash(name: string): Promise<void> {
    await this.lab.host(name).cutLink();
    await this.lab.kill9Host(name);
  }

  async restore(name: string): Promise<void> {
    await this.lab.addHost(name);
    await this.fit(this.lab.agent(name).instanceId);
  }

  /** Until the machine and its K3s are as good as the others', and the platform judges everybody fast. */
  private async fit(instance: string): Promise<void> {
    const look = async () => {
      const { clusters } = await this.operator.call<{ clusters: { id: string }[] }>('kubernetes_list_clusters');
      const { nodes } = await this.operator.call<{ nodes: { instance_id: string; status: string }[] }>(
        'kubernetes_list_nodes',
        { cluster_id: clusters[0]!.id },
      );
      const ready = nodes.some((node) => node.instance_id === instance && node.status === 'ready');
      return ready && (await this.statusOf(instance)) === 'running';
    };
    await until(`${instance} is fit to take the VIP`, look, 60_000, 250);
    await sleep(STEADY_MS);
  }

  async statusOf(instance: string): Promise<string> {
    const { instance: found } = await this.operator.call<{ instance: { status: string } }>('system_get_instance', {
      id: instance,
    });
    return found.status;
  }

  /** All moves so far. */
  async moves(): Promise<readonly Moved[]> {
    const { events } = await this.operator.call<{ events: { kind: string; payload: Moved }[] }>('recent_events', {
      kind_prefix: 'system.sdwan.virtual_ip.moved',
      limit: 500,
    });
    return events.map(({ payload }) => payload);
  }

  /** How often a holder had to drop the address, by the agents' own logs. */
  lapses(): number {
    const logs = SERVERS.map((name) => readFileSync(this.lab.agent(name).logFile, 'utf8'));
    return logs.reduce((sum, log) => sum + (log.match(LAPSE)?.length ?? 0), 0);
  }

  /** Beside everybody's logs, where those are kept. */
  keep(name: string, lines: readonly string[]): void {
    if (this.logsTo === undefined) return;
    mkdirSync(this.logsTo, { recursive: true });
    writeFileSync(join(this.logsTo, name), `${lines.join('\n')}\n`);
  }

  close(): Promise<void> {
    return this.undo();
  }

  private async tearDown(): Promise<void> {
    await this.operator.close();
    await this.platform.stop();
    if (this.logsTo !== undefined) {
      cpSync(join(this.lab.dir, 'logs'), this.logsTo, { recursive: true });
      cpSync(join(this.dataDir, 'platform.log'), join(this.logsTo, 'platform.log'));
    }
    await this.lab.destroy();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
