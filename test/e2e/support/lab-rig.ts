import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Operator } from '../../../apps/lab/src/demo/operator.js';
import { Lab } from '../../../apps/lab/src/lab.js';
import { choosePorts, PlatformProcess } from '../../../apps/lab/src/platform-process.js';
import { compiledCopy } from '../../../apps/platform/src/testing/compiled-copy.js';

const ANY = { http: 0, agents: 0, enroll: 0 };

export interface RigOptions {
  readonly hosts: readonly string[];
  readonly agentEnv?: Readonly<Record<string, string>>;
  readonly platformEnv?: Readonly<Record<string, string>>;
  /** More ports of 127.0.0.1 that the machines reach on GATEWAY_V4. */
  readonly ports?: readonly number[];
}

/** A lab, a platform process of its own on embedded Postgres, and an operator's MCP client. */
export class LabRig {
  private constructor(
    readonly root: string,
    readonly dataDir: string,
    readonly lab: Lab,
    readonly platform: PlatformProcess,
    public operator: Operator,
    private readonly end: () => Promise<void>,
  ) {}

  static async create({ hosts, agentEnv, platformEnv, ports: more = [] }: RigOptions): Promise<LabRig> {
    const { root } = compiledCopy();
    const dataDir = mkdtempSync(join(tmpdir(), 'drover-e2e-'));
    const ports = await choosePorts(ANY);
    const platformPorts = [...Object.values(ports), ...more];
    const lab = await Lab.create({ hosts, platformPorts, root, ...(agentEnv && { agentEnv }) });
    const platform = new PlatformProcess({
      ...{ root, dataDir, ports, provisionerSocket: lab.provisionerSocket },
      logFile: join(dataDir, 'platform.log'),
      publicUrl: lab.publicUrl(ports.http),
      ...(platformEnv && { env: platformEnv }),
    });
    const close = async () => {
      await platform.stop();
      await lab.destroy();
      rmSync(dataDir, { recursive: true, force: true });
    };
    try {
      await platform.start();
      return new LabRig(root, dataDir, lab, platform, await connect(platform), close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** After the platform was killed and started again. */
  async reconnect(): Promise<void> {
    this.operator = await connect(this.platform);
  }

  async close(): Promise<void> {
    await this.operator.close();
    await this.end();
  }
}

const connect = (platform: PlatformProcess): Promise<Operator> =>
  Operator.connect(`${platform.httpUrl}/mcp`, platform.token);
