import { createFleetRig, type FleetRig } from '../testing/fleet-rig.js';

let rig: FleetRig;
beforeAll(async () => {
  rig = await createFleetRig();
});
afterAll(() => rig.close());

const V30 = 'v1.30.5+k3s1';
const V31 = 'v1.31.2+k3s1';

it('keeps one catalogue for both K3s modules, with digest and source', async () => {
  const digest = 'a'.repeat(64);
  const made = await rig.ok('system_create_module_version', {
    module_name: 'k3s-server',
    version: V30,
    url: 'https://releases.test/k3s',
    sha256: digest.toUpperCase(),
  });
  expect(made['module_version']).toMatchObject({
    version: V30,
    state: 'built',
    next_state: 'staging',
    digest: `sha256:${digest}`,
    modules: ['k3s-server', 'k3s-agent'],
    source: { kind: 'url', url: 'https://releases.test/k3s' },
  });
  await rig.ok('system_create_module_version', { module_name: 'k3s-agent', version: V31, path: '/opt/k3s' });
  for (const version of [V30, V31])
    for (const to of ['staging', 'blessed', 'live'])
      await rig.ok('system_promote_module_version', { module_name: 'k3s-server', version, to });
  const { module_versions } = await rig.ok('system_list_module_versions', { module_name: 'k3s-agent' });
  expect(module_versions).toMatchObject([
    { version: V30, state: 'blessed' },
    { version: V31, state: 'live' },
  ]);
  const again = await rig.ok('system_promote_module_version', { module_name: 'k3s-server', version: V30 });
  expect(again).toMatchObject({ superseded: V31, module_version: { state: 'live' } });
  const { module_versions: live } = await rig.ok('system_list_module_versions', { state: 'live' });
  expect(live).toMatchObject([{ version: V30 }]);
});

it('is another account’s business only there', async () => {
  const other = 'account-00000000-0000-4000-8000-00000000000b';
  expect(await rig.ok('system_list_module_versions', {}, other)).toMatchObject({ module_versions: [] });
  const args = { module_name: 'k3s-server', version: V30 };
  expect(await rig.call('system_promote_module_version', args, other)).toMatchObject({
    kind: 'refused',
    refusal: { code: 'module_version_not_found' },
  });
});

it('refuses a template that pins a version which may not be installed, and says what would work', async () => {
  await rig.ok('system_create_module_version', { module_name: 'k3s-server', version: 'v1.32.0+k3s1', path: '/k3s' });
  const { template } = await rig.ok('system_create_template', { name: 'servers' });
  const assign = (version: string) => ({
    template_id: template.id,
    module_name: 'k3s-server',
    config: { version },
  });
  const built = await rig.refused('system_assign_module_to_template', assign('v1.32.0+k3s1'));
  expect(built).toMatchObject({ code: 'module_version_not_installable', field: 'config.version' });
  expect(built.hint).toContain('next valid state is staging');
  const unknown = await rig.refused('system_assign_module_to_template', assign('v1.31.3+k3s1'));
  expect(unknown).toMatchObject({ code: 'module_version_not_found', hint: `did you mean ${V31}?` });
  const done = await rig.ok('system_assign_module_to_template', assign(V31));
  expect(done.assignment['config']).toEqual({ version: V31 });
});

it('takes exactly one source and knows what has versions', async () => {
  const base = { module_name: 'k3s-server', version: 'v1.33.0+k3s1' };
  expect(await rig.refused('system_create_module_version', base)).toMatchObject({ code: 'invalid_module_version' });
  const wrong = { ...base, module_name: 'base', path: '/k3s' };
  expect(await rig.refused('system_create_module_version', wrong)).toMatchObject({ code: 'module_not_versioned' });
});
