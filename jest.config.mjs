import { readFileSync } from 'node:fs';

// The build leaves tests out of dist/; here they are what we came for.
const { exclude: _, $schema: __, ...swcrc } = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));
const swc = { ...swcrc, swcrc: false };

const names = [
  'kernel',
  'event-store',
  'processing',
  'access',
  'fleet',
  'sdwan',
  'kubernetes',
  'docker',
  'agent-gateway',
  'audit',
  'consumers',
  'tools',
];

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  moduleNameMapper: {
    ...Object.fromEntries(names.map((name) => [`^#${name}$`, `<rootDir>/libs/${name}/src/index.ts`])),
    '^#proto$': '<rootDir>/proto/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testMatch: ['<rootDir>/{apps,libs,agent,proto,test,scripts}/**/*.{unit,contract,int,e2e}-spec.ts'],
  testSequencer: '<rootDir>/test/sequencer.mjs',
  modulePathIgnorePatterns: ['<rootDir>/dist'],
  // Boots machines: `npm run test:systemd`.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/systemd/'],
  // Tests wait for processes more than they compute.
  maxWorkers: 2,
  // A bound for what hangs, not a measure: machines differ tenfold.
  testTimeout: 240_000,
};
