import Sequencer from '@jest/test-sequencer';

/** What jest remembers of durations is gone in a fresh clone: what needs machines and processes begins first, so that no worker waits for it alone in the end. */
const COSTS = ['long', 'e2e', 'int', 'contract', 'unit'];
const cost = ({ path }) => COSTS.indexOf(/\.(\w+)-spec\.ts$/.exec(path)?.[1]);

export default class extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    return [...sorted].sort((a, b) => cost(a) - cost(b));
  }
}
