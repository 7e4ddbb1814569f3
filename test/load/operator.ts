import type { PlatformUnderLoad } from './platform-process.js';

/** Tool calls that are under way at the same time. */
const AT_ONCE = 16;

export interface Group {
  readonly template: string;
  readonly size: number;
}

interface Answer {
  readonly success: boolean;
  readonly data: Record<string, unknown>;
  readonly error?: { readonly code: string; readonly message: string };
}

/** An operator who speaks to the platform over REST only. */
export class Operator {
  constructor(private readonly platform: PlatformUnderLoad) {}

  async call(tool: string, args: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.platform.url}/api/v1/tools/${tool}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.platform.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
    });
    const answer = (await response.json()) as Answer;
    if (!answer.success) throw new Error(`${tool}: ${answer.error?.code} ${answer.error?.message}`);
    return answer.data;
  }

  /** A push to every instance of a template: the round in the config of the module `base`. */
  async push(template: string, round: number): Promise<void> {
    const args = { template_id: template, module_name: 'base', config: { round } };
    await this.call('system_assign_module_to_template', args);
  }

  /** A template for each group, a node and an instance for each place in it. Answers a join token for each instance. */
  async createFleet(groups: readonly Group[], progress: (made: number) => void): Promise<string[]> {
    for (const { template } of groups) await this.call('system_create_template', { name: template });
    const tokens: string[] = [];
    await this.forEach(
      groups.flatMap(({ template, size }) => Array.from({ length: size }, (_, n) => ({ template, n }))),
      async ({ template, n }) => {
        const hostname = `${template}-${n}`;
        await this.call('system_create_node', { hostname, node_template_id: template });
        const { join } = await this.call('system_provision_instance', { node_id: hostname, driver: 'existing' });
        tokens.push((join as { token: string }).token);
        progress(tokens.length);
      },
    );
    return tokens;
  }

  /** Gives every instance of the groups another template. */
  async moveAll(groups: readonly Group[], to: string): Promise<void> {
    const names = groups.flatMap(({ template, size }) => Array.from({ length: size }, (_, n) => `${template}-${n}`));
    await this.forEach(
      names,
      async (id) => void (await this.call('system_update_instance', { id, node_template_id: to })),
    );
  }

  private async forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const waiting = [...items];
    const worker = async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }
}
