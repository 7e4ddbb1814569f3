import suite from '../../jest.config.mjs';

/** Stories on machines that have a short version in `npm test`, or take too much of its eight minutes: `npm run test:long`. */
export default {
  ...suite,
  rootDir: '../..',
  testMatch: ['<rootDir>/{apps,test}/**/*.long-spec.ts'],
};
