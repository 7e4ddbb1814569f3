import { z } from 'zod';
import { Serial } from '#kernel';
import type { Files } from '../ports.js';

const file = z.object({
  assignment: z.string().default(''),
  /** Counts the lives of the runtime here, so that a new one's requests are not taken for repeats. */
  life: z.number().int().default(0),
  installing: z.boolean().default(false),
  /** Of program, configuration and certificate that the daemon was started with. */
  started: z.string().default(''),
  /** The version that was reported as ready. */
  ready: z.string().default(''),
  stopped: z.boolean().default(false),
  /** What was to be stopped without a word of the platform's: an agent that begins anew must still know. */
  leaving: z.string().default(''),
});
type State = z.infer<typeof file>;

/** How far Docker's handshake is, so that a restarted agent does not repeat it. */
export class DockerState {
  private state: State = file.parse({});
  private readonly disk = new Serial();

  constructor(
    private readonly files: Files,
    private readonly path: string,
  ) {}

  async load(): Promise<void> {
    const bytes = await this.files.read(this.path);
    if (bytes !== undefined) this.state = file.parse(JSON.parse(bytes.toString('utf8')));
  }

  get(): State {
    return this.state;
  }

  begin(assignment: string): Promise<State> {
    const { life, started } = this.state;
    return this.set({ ...file.parse({}), assignment, life: life + 1, started });
  }

  /** On disk first: what this life takes for noted, the next one must know. */
  set(change: Partial<State>): Promise<State> {
    return this.change(() => change);
  }

  /** `decide` sees what all writes before it have left; undefined: nothing is to be written. */
  change(decide: (state: State) => Partial<State> | undefined): Promise<State> {
    return this.disk.run(async () => {
      const change = decide(this.state);
      if (change === undefined) return this.state;
      const next = { ...this.state, ...change };
      await this.files.write(this.path, JSON.stringify(next), 0o600);
      return (this.state = next);
    });
  }
}
