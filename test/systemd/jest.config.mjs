import suite from '../../jest.config.mjs';

/** Apart from `npm test`, because it boots machines: `npm run test:systemd`. */
export default {
  ...suite,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/systemd/**/*-spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
};
