import fc from 'fast-check';
import { findVersion, moduleVersionsDecider, notInstallable, type ModuleVersionCommand } from './decide.js';
import { liveVersion, noVersions, VERSION_STATES, type ModuleVersions } from './state.js';

const create = (version: string, over: object = {}): ModuleVersionCommand => ({
  kind: 'create',
  artifact: 'k3s',
  versionId: `00000000-0000-4000-8000-${version.replace(/\D/g, '').padStart(12, '0')}`,
  version,
  source: { kind: 'path', path: `/opt/k3s/${version}/k3s` },
  sha256: null,
  notes: '',
  ...over,
});
const promote = (version: string, to: (typeof VERSION_STATES)[number] | null = null): ModuleVersionCommand => ({
  kind: 'promote',
  version,
  to,
});

const run = (state: ModuleVersions, ...commands: ModuleVersionCommand[]) => {
  let refusal: { code: string; hint?: string } | undefined;
  for (const command of commands) {
    const decision = moduleVersionsDecider.decide(command, state);
    refusal = decision.kind === 'reject' ? decision.refusal : undefined;
    if (decision.kind === 'accept') state = decision.events.reduce(moduleVersionsDecider.evolve, state);
  }
  return { state, refusal, states: state.versions.map((v) => `${v.version} ${v.state}`) };
};

it('goes built → staging → blessed → live, and the version that was live is blessed again', () => {
  const one = run(noVersions, create('v1.30.5+k3s1'), promote('v1.30.5+k3s1'), promote('v1.30.5+k3s1', 'blessed'));
  expect(one.states).toEqual(['v1.30.5+k3s1 blessed']);
  const two = run(
    one.state,
    promote('v1.30.5+k3s1'),
    create('v1.31.2+k3s1'),
    ...(['staging', 'blessed', 'live'] as const).map((to) => promote('v1.31.2+k3s1', to)),
  );
  expect(two.states).toEqual(['v1.30.5+k3s1 blessed', 'v1.31.2+k3s1 live']);
  expect(run(two.state, promote('v1.30.5+k3s1')).states).toEqual(['v1.30.5+k3s1 live', 'v1.31.2+k3s1 blessed']);
});

it('refuses what is no next state and names the one that is', () => {
  const { state } = run(noVersions, create('v1.30.5+k3s1'));
  expect(run(state, promote('v1.30.5+k3s1', 'live')).refusal).toMatchObject({
    code: 'invalid_module_transition',
    hint: 'the next valid state is staging',
  });
  const live = run(state, promote('v1.30.5+k3s1'), promote('v1.30.5+k3s1'), promote('v1.30.5+k3s1')).state;
  expect(run(live, promote('v1.30.5+k3s1')).refusal?.hint).toContain('the next valid state is retired');
  const retired = run(live, { kind: 'retire', version: 'v1.30.5+k3s1', reason: 'cve' }).state;
  expect(run(retired, promote('v1.30.5+k3s1')).refusal?.hint).toContain('retired is final');
  expect(run(live, promote('v1.30.6+k3s1')).refusal).toMatchObject({
    code: 'module_version_not_found',
    hint: 'did you mean v1.30.5+k3s1?',
  });
});

it.each([
  [{ version: 'latest' }, 'version'],
  [{ version: '1.31.2' }, 'version'],
  [{ source: { kind: 'path', path: 'k3s' } }, 'path'],
  [{ source: { kind: 'url', url: 'http://h/k3s' }, sha256: 'a'.repeat(64) }, 'url'],
  [{ source: { kind: 'url', url: 'https://h/k3s' } }, 'sha256'],
  [{ sha256: 'abc' }, 'sha256'],
  [{ source: { kind: 'node' }, sha256: 'a'.repeat(64) }, 'sha256'],
])('refuses %j, naming %s', (over, field) => {
  expect(run(noVersions, create('v1.30.5+k3s1', over)).refusal).toMatchObject({
    code: 'invalid_module_version',
    field,
  });
});

it('never changes a version: the same again is nothing, another digest is refused', () => {
  const { state } = run(noVersions, create('v1.30.5+k3s1'));
  expect(run(state, create('v1.30.5+k3s1'))).toMatchObject({ refusal: undefined, states: ['v1.30.5+k3s1 built'] });
  expect(run(state, create('v1.30.5+k3s1', { sha256: 'b'.repeat(64) })).refusal?.code).toBe('module_version_exists');
});

it('installs neither what is only built nor what is retired', () => {
  const { state } = run(noVersions, create('v1.30.5+k3s1'));
  expect(notInstallable(findVersion(state, 'v1.30.5+k3s1')!, 'version')?.hint).toContain('next valid state is staging');
  const staged = run(state, promote('v1.30.5+k3s1')).state;
  expect(notInstallable(findVersion(staged, 'v1.30.5+k3s1')!, 'version')).toBeUndefined();
});

it('has at most one live version whatever is done to it', () => {
  const names = ['v1.30.1+k3s1', 'v1.30.2+k3s1', 'v1.30.3+k3s1'];
  const command = fc.oneof(
    fc.constantFrom(...names).map((v) => create(v)),
    fc.tuple(fc.constantFrom(...names), fc.option(fc.constantFrom(...VERSION_STATES))).map(([v, to]) => promote(v, to)),
    fc.constantFrom(...names).map((version): ModuleVersionCommand => ({ kind: 'retire', version, reason: '' })),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
      const { state } = run(noVersions, ...commands);
      expect(state.versions.filter((v) => v.state === 'live').length).toBeLessThanOrEqual(1);
      expect(liveVersion(state)?.state ?? 'live').toBe('live');
    }),
    { numRuns: 300 },
  );
});
