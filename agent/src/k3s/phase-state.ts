import { z } from 'zod';
import { Serial } from '#kernel';
import type { Files } from '../ports.js';

const entry = z.object({
  /** Counts the assignment's lives: a stop ends one, so that its requests are not taken for repeats of older ones. */
  life: z.number().int().default(1),
  installing: z.boolean().default(false),
  bootstrapped: z.boolean().default(false),
  joined: z.boolean().default(false),
  started: z.string().default(''),
  ready: z.boolean().default(false),
  stopped: z.boolean().default(false),
  clusterId: z.string().default(''),
  /** When it was started anew with another configuration: what Kubernetes knew of the node before says nothing of it now. */
  restartedMs: z.number().default(0),
  /** Names the data that this life put into K3s's folder, and the cluster that they are of. */
  dataId: z.string().default(''),
  dataCluster: z.string().default(''),
  /** Of the external datastore's endpoint in the configuration. */
  datastoreVersion: z.string().default(''),
  /** The last generation of certificates that was made, and the last that the platform was told of. */
  certificates: z.number().int().default(0),
  certificatesTold: z.number().int().default(0),
  /** The generation of the server token that K3s was started with, and the last that the platform was told of. */
  token: z.number().int().default(0),
  tokenTold: z.number().int().default(0),
  /** K3s is kept down for this restore; the last restore that was carried out here. They outlive the life that they began in. */
  halted: z.string().optional(),
  restored: z.string().optional(),
  /** What was to be stopped without a word of the platform's, as it was told to run: an agent that begins anew must still know. */
  leaving: z.string().optional(),
  /** Names of data that earlier lives put there: set aside or not, they are of this instance. */
  formerIds: z.array(z.string()).optional(),
});
export type PhaseState = z.infer<typeof entry>;
const file = z.record(z.string(), entry);

/** Which phases of which assignment are done, so that a restarted agent does not repeat them. */
export class PhaseStore {
  private states: Record<string, PhaseState> = {};
  private readonly disk = new Serial();

  constructor(
    private readonly files: Files,
    private readonly path: string,
  ) {}

  async load(): Promise<void> {
    const bytes = await this.files.read(this.path);
    if (bytes !== undefined) this.states = file.parse(JSON.parse(bytes.toString('utf8')));
  }

  get(assignmentId: string): PhaseState {
    return this.states[assignmentId] ?? entry.parse({});
  }

  assignments(): string[] {
    return Object.keys(this.states);
  }

  /** On disk first: what only this life of the agent knew, as whose data are in K3s's folder, the next would take for another's. */
  set(assignmentId: string, change: Partial<PhaseState>): Promise<PhaseState> {
    return this.change(assignmentId, () => change);
  }

  /** `decide` sees what all writes before it have left; undefined: nothing is to be written. */
  change(assignmentId: string, decide: (state: PhaseState) => Partial<PhaseState> | undefined): Promise<PhaseState> {
    return this.disk.run(async () => {
      const before = this.get(assignmentId);
      const change = decide(before);
      if (change === undefined) return before;
      const next = { ...before, ...change };
      const states = { ...this.states, [assignmentId]: next };
      await this.files.write(this.path, JSON.stringify(states), 0o600);
      this.states = states;
      return next;
    });
  }
}

/** Names of all data that this instance put into K3s's folder; what carries none of them is another's. */
export const knownIds = (phases: PhaseStore): ReadonlySet<string> =>
  new Set(
    phases
      .assignments()
      .map((id) => phases.get(id))
      .flatMap(({ dataId, formerIds }) => [...(dataId === '' ? [] : [dataId]), ...(formerIds ?? [])]),
  );
