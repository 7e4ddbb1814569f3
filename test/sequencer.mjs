import Sequencer from '@jest/test-sequencer';

/**
 * What jest remembers of durations is gone in a fresh clone. First these, each of which takes a minute or longer alone; then what
 * needs machines and processes: so no worker is alone in the end.
 */
const LONGEST = [
  'test/systemd/packages',
  'test/e2e/reinstall-and-restore',
  'test/e2e/tutorial-docs',
  'test/e2e/platform-kill',
  'test/e2e/tutorial-04',
  'test/crash/failpoints',
  'test/doubles/k3s/external-datastore',
  'test/e2e/ibgp',
  'test/e2e/external-sql',
  'test/e2e/key-rotation-faults',
  'test/privacy/tutorial-secrets',
  'test/e2e/kubernetes-life',
  'test/e2e/upgrade',
  'apps/platform/src/kurrentdb',
  'apps/platform/src/process',
];
const COSTS = ['long', 'e2e', 'int', 'contract', 'unit'];
const place = ({ path }) => {
  const known = LONGEST.findIndex((name) => path.includes(`/${name}.`));
  return known >= 0 ? known : LONGEST.length + COSTS.indexOf(/\.(\w+)-spec\.ts$/.exec(path)?.[1]);
};

export default class extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    return [...sorted].sort((a, b) => place(a) - place(b));
  }
}
