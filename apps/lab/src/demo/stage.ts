import { sleep } from '../processes.js';
import { showCall, type Narrator } from './narrator.js';
import { Operator, ToolRefused } from './operator.js';

/** What the probes saw from the workstation while the API endpoint moved. */
export interface Gaps {
  /** Between two answers to a ping, at most. */
  readonly pingMs: number;
  readonly lost: number;
  readonly sent: number;
  /** Between two answers to GET /readyz over TLS, at most. */
  readonly httpsMs: number;
  readonly httpsFailed: number;
  /** From the end of an open watch to the next one being served, at most; 0 when none ended. */
  readonly watchMs: number;
  readonly watchesEnded: number;
  /** Events of nodes that the watches delivered. */
  readonly watchEvents: number;
}

/** What the story needs from the lab around it. */
export interface World {
  /** Joins the operator's workstation to the network with an access grant's bootstrap URL and token. */
  joinWorkstation(grant: { readonly bootstrapUrl: string; readonly token: string }): Promise<void>;
  /** Runs a command in the workstation's namespace and answers its standard output. Rejects on a non-zero exit. */
  onWorkstation(argv: readonly string[]): Promise<string>;
  /** Stores the kubeconfig where the workstation's kubectl finds it (mode 0600). */
  saveKubeconfig(text: string): Promise<void>;
  /** Pings an address, reads and watches the API from the workstation until stopped. */
  probe(address: string): Promise<{ stop(): Promise<Gaps> }>;
  /** What carries the overlay here, in words: WireGuard, or what stands in for it. */
  readonly overlay: string;
  /** The provisioning driver that starts an agent on the machine with the node's name. */
  readonly driver: string;
}

export interface Cluster {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly api_endpoint: string;
  readonly node_count: number;
}

export interface EventView {
  readonly kind: string;
  readonly payload: Record<string, unknown>;
}

/** How a story is told: tool calls, waits and kubectl as steps that either hold or end it. */
export abstract class Stage {
  protected readonly instances = new Map<string, string>();

  constructor(
    protected readonly operator: Operator,
    protected readonly world: World,
    protected readonly say: Narrator,
  ) {}

  protected async getNodes(): Promise<void> {
    const argv = ['kubectl', 'get', 'nodes'];
    const out = await this.say.step(
      `workstation$ ${argv.join(' ')}`,
      async () => {
        const text = await this.world.onWorkstation(argv);
        const ready = text.split('\n').filter((line) => /\sReady/.test(line)).length;
        if (ready !== 4) throw new Error(`expected four Ready nodes, got:\n${text}`);
        return text;
      },
      () => '',
    );
    this.say.block(out);
  }

  protected nameOf(instanceId: string): string {
    return [...this.instances].find(([, id]) => id === instanceId)?.[0] ?? instanceId;
  }

  protected tool<T = Record<string, unknown>>(
    name: string,
    args: Record<string, unknown>,
    answer: (r: T) => string,
  ): Promise<T> {
    return this.say.step(showCall(name, args), () => this.operator.call<T>(name, args), answer);
  }

  /** The kinds must appear in this order; other events may stand between them. */
  protected expectOrder(events: readonly EventView[], kinds: readonly string[]): void {
    let next = 0;
    for (const event of events) if (event.kind === kinds[next]) next++;
    for (const event of events.slice(0, 12)) this.say.line(`  ${event.kind}`);
    if (events.length > 12) this.say.line(`  … and ${events.length - 12} more`);
    if (next < kinds.length)
      throw new Error(
        `the events do not follow the tutorial: ${kinds[next]} is missing after ${kinds[next - 1] ?? 'the start'}`,
      );
  }

  /** Polls a read tool until it is so; a refusal in between (not yet there) counts as not yet. */
  protected until<V>(
    what: string,
    look: () => Promise<{ done: boolean; now: string; value?: V }>,
    boundMs = 120_000,
  ): Promise<V | undefined> {
    return this.say.step(
      `… ${what}`,
      async () => {
        const deadline = performance.now() + boundMs;
        for (let now = ''; ;) {
          try {
            const seen = await look();
            if (seen.done) return seen.value;
            now = seen.now;
          } catch (error) {
            if (!(error instanceof ToolRefused)) throw error;
            now = error.message;
          }
          if (performance.now() > deadline) throw new Error(`not within ${boundMs / 1_000} s; last seen: ${now}`);
          await sleep(100);
        }
      },
      () => '',
    );
  }
}
