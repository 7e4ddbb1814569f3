import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplyRig } from '../testing/apply-rig.js';

const GRANT = 'system_sdwan_create_access_grant';
let rig: ApplyRig;
let home: string;
let apply: ApplyRig['apply'];
let record: ApplyRig['record'];
beforeEach(() => {
  rig = new ApplyRig();
  ({ home, apply, record } = rig);
});
afterEach(() => rig.end());

const TEMPLATE = 'kind: Template\nname: one\n';
const grant = () => `kind: Grant\nnetwork: net\nname: laptop\nwrite_url_to: ${home}/url\n`;
const NETWORKS = { networks: [{ id: 'net-1', name: 'net' }] };
const LIVE = {
  ...NETWORKS,
  grants: [{ id: 'grant-1', name: 'laptop', network_id: 'net-1', status: 'pending', tags: [] }],
};
const MADE = { outcome: 'done', grant: { id: 'grant-2' }, bootstrap_url: 'https://b/2' };

describe('apply after a connection that broke in the middle of a step', () => {
  it('says what the next apply does, and makes what was not made under the same key', async () => {
    const first = await apply(TEMPLATE, {}, {});
    expect(first.error?.hint).toContain('the same apply finds out first, and makes it once');
    expect(first.error?.hint).not.toContain('idempotency_key');
    const again = await apply(
      TEMPLATE,
      {},
      { system_create_template: { data: { outcome: 'done', template: { id: 't-1' } } } },
    );
    expect([again.code, again.called.map(({ key }) => key)]).toEqual([0, first.called.map(({ key }) => key)]);
    expect(record()).toMatchObject({ made: [{ key: 'Template one', id: 't-1' }] });
    expect(record().pending).toBeUndefined();
  });

  it('takes what was made all the same into its record, so that --prune knows it', async () => {
    await apply(TEMPLATE, {}, {});
    const templates = [{ id: 't-1', name: 'one', module_assignments: [] }];
    const answers = { system_create_template: { data: { outcome: 'done', template: { id: 't-1' } } } };
    const again = await apply(TEMPLATE, { templates }, answers);
    expect([again.code, again.said]).toEqual([
      0,
      expect.stringContaining('Template one was made by an apply that was cut off'),
    ]);
    expect(record()).toMatchObject({ made: [{ key: 'Template one', id: 't-1' }] });
  });

  it('leaves alone what somebody else made under that name', async () => {
    await apply(TEMPLATE, {}, {});
    const taken = { status: 409, error: { code: 'name_taken', message: 'taken' } };
    const templates = [{ id: 't-9', name: 'one', module_assignments: [] }];
    expect((await apply(TEMPLATE, { templates }, { system_create_template: taken })).code).toBe(0);
    expect(record()).toEqual({ set: 'default', platform: 'http://platform.test', made: [] });
  });

  it('revokes a grant whose URL was lost, and makes it anew under another key', async () => {
    const first = await apply(grant(), NETWORKS, {});
    expect(first.error?.hint).toContain('a grant whose URL was lost is revoked and made anew');
    let tells = 0;
    const told = { status: 409, error: { code: 'token_told_already', message: 'this call made grant-1 before' } };
    const answers = {
      get [GRANT]() {
        return tells++ === 0 ? told : { data: MADE };
      },
      system_sdwan_revoke_access_grant: { data: { revoked: true } },
    };
    const again = await apply(grant(), LIVE, answers);
    const [asked, revoked, made] = again.called;
    expect([again.code, asked?.key, revoked?.body.grant_id]).toEqual([0, first.called[0]!.key, 'grant-1']);
    expect(made?.key).not.toBe(asked?.key);
    expect(readFileSync(join(home, 'url'), 'utf8')).toBe('https://b/2\n');
    expect(record()).toMatchObject({ made: [{ key: 'Grant net/laptop', id: 'grant-2' }] });
  });

  it('keeps a grant whose URL was written before it ended', async () => {
    await apply(grant(), NETWORKS, {});
    writeFileSync(join(home, 'url'), 'https://b/1\n');
    const told = { status: 409, error: { code: 'token_told_already', message: 'this call made grant-1 before' } };
    const again = await apply(grant(), LIVE, { [GRANT]: told });
    expect([again.code, again.called.length]).toEqual([0, 1]);
    expect(record()).toMatchObject({ made: [{ id: 'grant-1' }] });
  });

  it('does not go on while it cannot be found out', async () => {
    await apply(grant(), NETWORKS, {});
    const away = { status: 503, error: { code: 'event_store_unavailable', message: 'away' } };
    expect((await apply(grant(), LIVE, { [GRANT]: away })).code).toBe(3);
    expect(record().pending).toHaveLength(1);
  });

  it('calls nothing in a preview, and says that something is open', async () => {
    await apply(grant(), NETWORKS, {});
    const { called, said, out, code } = await apply(grant(), LIVE, {}, 'diff');
    expect([called, said]).toEqual([[], expect.stringContaining('an apply was cut off at Grant net/laptop')]);
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(/^\? Grant net\/laptop .*cut off here.*revoked and made anew/),
    ]);
  });
});

it('a step that the platform refuses leaves nothing open', async () => {
  const refused = { status: 422, error: { code: 'no', message: 'no' } };
  expect((await apply(grant(), NETWORKS, { [GRANT]: refused })).code).toBe(1);
  expect([record().pending, existsSync(join(home, 'url'))]).toEqual([undefined, false]);
});

it.each([
  [500, 'internal_error'],
  [503, 'event_store_unavailable'],
])('HTTP %i leaves open whether it was made', async (status, code) => {
  await apply(grant(), NETWORKS, { [GRANT]: { status, error: { code, message: 'm' } } });
  expect(record().pending).toHaveLength(1);
});
