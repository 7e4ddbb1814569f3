import tseslint from 'typescript-eslint';

const ambient = 'is a source of chance: use the Clock, Timers, Random or Ids port from #kernel';
const clockRules = [
  { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: `Date.now ${ambient}` },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: `new Date() ${ambient}` },
  { selector: 'CallExpression[callee.name=/^(setTimeout|setInterval)$/]', message: `setTimeout ${ambient}` },
  {
    selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
    message: `Math.random ${ambient}`,
  },
  { selector: 'CallExpression[callee.name=/^(randomUUID|randomBytes)$/]', message: `randomness ${ambient}` },
  { selector: "CallExpression[callee.object.name='performance']", message: `performance ${ambient}` },
];
const swallowed = [
  { selector: 'CatchClause > BlockStatement[body.length=0]', message: 'an empty catch hides an error' },
  {
    selector: "CallExpression[callee.property.name='catch'] > ArrowFunctionExpression > BlockStatement[body.length=0]",
    message: 'an empty catch hides an error',
  },
];

export default tseslint.config(
  { ignores: ['dist', '.drover*', 'dist-agent', 'node_modules', 'proto/gen', '**/generated-client/gen', 'data'] },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'prefer-const': 'error',
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'the environment is read in entry points only (libs/kernel/src/config.ts)',
        },
      ],
      'no-restricted-syntax': ['error', ...clockRules, ...swallowed],
    },
  },
  {
    // The real adapters of chance, entry points, and everything that is not the product itself.
    files: [
      'libs/kernel/src/adapters/**',
      'apps/**',
      'test/**',
      'scripts/**',
      '**/*-spec.ts',
      '**/testing/**',
      '**/contract/**',
      'agent/src/main.ts',
      'agent/src/adapters/**',
    ],
    rules: {
      'no-restricted-syntax': ['error', ...swallowed],
      'no-restricted-properties': 'off',
      'no-console': 'off',
      'max-lines-per-function': 'off',
    },
  },
  { files: ['**/*-spec.ts', '**/*.contract.ts'], rules: { 'max-lines': ['error', { max: 500 }] } },
);
