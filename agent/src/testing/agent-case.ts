import { FakePlatform } from './fake-platform.js';
import { startAgent, temporaryFolder, type RunningAgent } from './harness.js';
import { makeTestCa, type TestCa } from './test-ca.js';

type Options = Parameters<typeof startAgent>[2];

/** A platform on real sockets and a place for the state of one agent, new for each test of a describe; what still runs is ended after it. */
export class AgentCase {
  platform!: FakePlatform;
  stateDir = '';
  running: RunningAgent | undefined;
  ca!: TestCa;

  constructor() {
    beforeAll(async () => {
      this.ca = await makeTestCa();
    });
    beforeEach(async () => {
      this.platform = new FakePlatform(this.ca);
      await this.platform.start();
      this.stateDir = await temporaryFolder();
    });
    afterEach(async () => {
      await this.running?.agent.stop(true);
      this.running = undefined;
      this.platform.stop();
    });
  }

  /** In the same place when it was there before. */
  async start(options?: Options): Promise<RunningAgent> {
    return (this.running = await startAgent(this.platform, this.stateDir, options));
  }
}
