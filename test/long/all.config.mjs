import long from './jest.config.mjs';
import systemd from '../systemd/jest.config.mjs';

/** Both in one run, so that neither leaves a processor idle: `npm run test:stories`, which the gate runs after `npm test`. */
export default {
  ...long,
  testMatch: [...long.testMatch, ...systemd.testMatch],
  testPathIgnorePatterns: systemd.testPathIgnorePatterns,
  // They wait for machines: two of them use half of one processor each (450 s of processor time in 850 s).
  maxWorkers: 3,
};
