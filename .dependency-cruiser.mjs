// The folders are the architecture; this file is what makes that true.
const order = [
  'kernel',
  'event-store',
  'processing',
  'access',
  'tools',
  'agent-gateway',
  'fleet',
  'sdwan',
  'kubernetes',
  'docker',
  'audit',
  'consumers',
];
const allowed = {
  kernel: [],
  'event-store': ['kernel'],
  processing: ['kernel', 'event-store'],
  access: ['kernel', 'event-store', 'processing'],
  tools: ['kernel', 'event-store', 'processing', 'access'],
  'agent-gateway': ['kernel', 'event-store', 'processing', 'access'],
  fleet: ['kernel', 'event-store', 'processing', 'access', 'tools', 'agent-gateway'],
  sdwan: ['kernel', 'event-store', 'processing', 'access', 'tools', 'agent-gateway', 'fleet'],
  kubernetes: ['kernel', 'event-store', 'processing', 'access', 'tools', 'agent-gateway', 'fleet', 'sdwan'],
  docker: ['kernel', 'event-store', 'processing', 'access', 'tools', 'agent-gateway', 'fleet', 'sdwan'],
  audit: ['kernel', 'event-store', 'processing', 'access', 'tools'],
  consumers: ['kernel', 'event-store', 'processing', 'access', 'tools', 'agent-gateway', 'fleet', 'audit'],
};
const spec = '-spec\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { pathNot: ['^proto/gen'] } } },
    {
      name: 'domain-is-pure',
      comment: 'domain folders import the kernel and themselves only; no framework, no driver',
      severity: 'error',
      from: { path: '^libs/([^/]+)/src/domain/', pathNot: spec },
      to: { pathNot: ['^libs/kernel/', '^libs/$1/src/domain/', '^node_modules/(zod|ipaddr\\.js)/'] },
    },
    ...order.map((lib) => ({
      name: `${lib}-knows-only-what-is-below`,
      severity: 'error',
      from: { path: `^libs/${lib}/` },
      to: {
        path: '^(libs|apps|agent)/',
        pathNot: [`^libs/${lib}/`, ...allowed[lib].map((name) => `^libs/${name}/src/index\\.ts$`)],
      },
    })),
    {
      name: 'agent-is-self-contained',
      severity: 'error',
      from: { path: '^agent/', pathNot: spec },
      to: { path: '^(libs|apps|test)/', pathNot: ['^libs/kernel/'] },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^(libs|agent|proto|apps/(platform|cli))/', pathNot: spec },
      to: { path: '^test/' },
    },
    {
      name: 'apps-only-wire',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'] },
  },
};
