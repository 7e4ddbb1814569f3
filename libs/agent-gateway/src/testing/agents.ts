import type { ServiceError } from '@grpc/grpc-js';
import { enroll, TestAgent, type ClientIdentity } from './client.js';
import { startRig, type Rig } from './rig.js';

/** The agents of one spec: each enrolled with a join token of its own, all closed after every test. */
export class TestAgents {
  private readonly open: TestAgent[] = [];
  private tokens = 0;

  constructor(private readonly rig: () => Rig) {}

  readonly enrolled = (): Promise<ClientIdentity> => enroll(this.rig(), `token-${++this.tokens}`);

  /** How many instances were enrolled: the newest has this number. */
  get newest(): number {
    return this.tokens;
  }

  /** The newest instance once more, as after it was set up anew. */
  readonly enrolledAgain = (): Promise<ClientIdentity> => enroll(this.rig(), `token-${this.tokens}`);

  readonly of = (identity: ClientIdentity): TestAgent => {
    const agent = new TestAgent(this.rig(), identity);
    this.open.push(agent);
    return agent;
  };

  readonly close = (): void => {
    for (const agent of this.open.splice(0)) agent.close();
  };
}

/** A gateway of one spec's own and its agents: begun before the tests, ended after them. */
export const gatewayUnderTest = (start: () => Promise<Rig> = startRig) => {
  let rig: Rig;
  const agents = new TestAgents(() => rig);
  beforeAll(async () => {
    rig = await start();
  });
  afterEach(agents.close);
  afterAll(() => rig.close());
  return {
    agents,
    get rig() {
      return rig;
    },
  };
};

/** The error that a call ends with. */
export const failure = (run: (done: (error: ServiceError | null) => void) => unknown): Promise<ServiceError> =>
  new Promise((resolve, reject) => run((e) => (e === null ? reject(new Error('it succeeded')) : resolve(e))));
