import { appendContract } from './append.contract.js';
import { readContract } from './read.contract.js';
import { subscribeContract } from './subscribe.contract.js';
import type { EventStoreHarness } from './harness.js';

export type { EventStoreHarness } from './harness.js';

/** What every event store must do. Each adapter's `.contract-spec.ts` calls this once. */
export const eventStoreContract = (name: string, makeHarness: () => EventStoreHarness): void => {
  describe(`event store contract: ${name}`, () => {
    const harness = makeHarness();
    afterEach(() => harness.cleanUp());
    appendContract(harness);
    readContract(harness);
    subscribeContract(harness);
  });
};
